"""Before anything is written: can each target be reached, as whom, and may it describe image builders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.aws import sessions as aws
from pipeline.aws import threads
from pipeline.aws.credentials import Access, Role
from pipeline.extract.listing import Selection
from pipeline.extract.look import Patience
from pipeline.extract.sweep import Progress, Sweep
from pipeline.targets.planning import Plan, Target


@dataclass(frozen=True)
class Finding:
    """How one image builder's listing went, and as whom it was asked for. `status` is one of those of `extracts`."""

    target: Target
    identity: str | None
    status: str
    error_code: str | None
    error_message: str | None

    @property
    def is_well(self) -> bool:
        return self.status == "ok"


class _Nowhere:
    """Takes rows and keeps none."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        pass


def examine(access: Access, plan: Plan, patience: Patience, report: Callable[[Progress], None]) -> list[Finding]:
    """Asks every target for one image builder, just as a snapshot would, in the order of the plan."""
    chains = {t.roles: t.partition for t in plan.targets}
    told = threads.map_at_once(lambda item: _identity(access, *item), list(chains.items()), plan.concurrency)
    identities = dict(zip(chains, told, strict=True))
    one = Selection(page_size=1, max_items=1)
    sweep = Sweep(access, lambda: datetime.now(UTC), one, patience, plan.concurrency, report=report)
    rows = sweep.run(plan.targets, _Nowhere())
    return [
        Finding(t, identities[t.roles], row["status"], row["error_code"], row["error_message"])
        for t, row in zip(plan.targets, rows, strict=True)
    ]


def _identity(access: Access, roles: tuple[Role, ...], partition: str) -> str | None:
    """The ARN that calls are made as; None where that cannot be told, which the look explains."""
    for region in access.homes(partition):
        try:
            with access.acting_as(roles):
                answer: dict[str, Any] = access.client("sts", region, roles, aws.BRIEF).get_caller_identity()
            return str(answer["Arn"])
        except Exception:
            continue
    return None
