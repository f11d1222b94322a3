"""The windows as Dagster's partitions, the job, and its schedule."""

from __future__ import annotations

from typing import TypeAlias

import dagster as dg
from dagster import DailyPartitionsDefinition, HourlyPartitionsDefinition

JOB = "image_builders_snapshot"
FIRST_WINDOW = {"daily": "2026-01-01", "hourly": "2026-01-01-00:00"}
"""The first partition: nothing earlier could have been observed."""

MINUTE = 5
"""Minutes into its window at which a scheduled run starts: late enough for a clock that is a little off."""

Windows: TypeAlias = DailyPartitionsDefinition | HourlyPartitionsDefinition


def windows(cadence: str) -> Windows:
    """The partitions, UTC, the window that is still open included."""
    kind = DailyPartitionsDefinition if cadence == "daily" else HourlyPartitionsDefinition
    return kind(start_date=FIRST_WINDOW[cadence], timezone="UTC", end_offset=1)


def job(partitions: Windows) -> dg.UnresolvedAssetJobDefinition:
    """Everything: the snapshot, its checks, the views."""
    return dg.define_asset_job(
        JOB,
        dg.AssetSelection.all(),
        partitions_def=partitions,
        description="One snapshot of every image builder of every target, committed, checked, and behind the views.",
    )


def schedule(job: dg.UnresolvedAssetJobDefinition, cadence: str, is_on: bool) -> dg.UnresolvedPartitionedAssetScheduleDefinition:  # fmt: skip
    """A run in every window. It is off unless asked for: a sandbox or a laptop should not sweep by itself."""
    at = {"minute_of_hour": MINUTE} | ({"hour_of_day": 0} if cadence == "daily" else {})
    return dg.build_schedule_from_partitioned_job(
        job,
        name="every_window",
        description=f"A {cadence} snapshot, of the window that is open.",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        **at,
    )
