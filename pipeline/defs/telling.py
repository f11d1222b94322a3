"""What a run tells of itself: tags, remarks, and by its id whose a stream is."""

from __future__ import annotations

import dagster as dg

from pipeline import shown
from pipeline.contract import EXTRACTS
from pipeline.defs.catalog import key_of
from pipeline.errors import counted
from pipeline.warehouse import Extracted

RUN_ID_LENGTH = 36
"""Characters of the id of one of Dagster's runs, with which the names of its streams begin."""
SEEN = "image_builders/seen"
"""The tag of a run that tells, in the list of runs, how many of its targets it saw."""

COMMITTED = "image_builders/snapshot"
"""The tag of a run that has committed a snapshot: which."""


def is_of_ended_run(context: dg.OpExecutionContext, stream: str) -> bool:
    """Whether nobody will publish a stream: its name begins with the id of a run of this instance that has ended."""
    run = context.instance.get_run_by_id(stream[:RUN_ID_LENGTH])
    return run is not None and run.is_finished


def observe_remarks(context: dg.OpExecutionContext, remarks: list[str]) -> None:
    remarks = [shown.log(remark) for remark in remarks]
    context.log.warning("\n".join(remarks))
    context.log_event(
        dg.AssetObservation(key_of(EXTRACTS.name), partition=context.partition_key, metadata={"remarks": remarks})
    )


def seen(extracted: list[Extracted]) -> str:
    looked = [row for shard in extracted for row in shard.rows]
    return f"{sum(row['status'] == 'ok' for row in looked)} of {counted(len(looked), 'target')}"
