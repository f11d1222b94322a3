"""The job of a snapshot, its schedule, and how old an asset may be."""

from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipeline.contract import PRICES
from pipeline.defs.catalog import key_of
from pipeline.defs.resources import ClockResource
from pipeline.errors import ClosedWindowError
from pipeline.windows import CADENCES, GRACE, Window

JOB = "image_builders_snapshot"
RETENTION = "retention"
"""The name of the asset that forgets."""
MINUTE = 5
"""Minutes after the beginning of a window at which a scheduled run starts, in case a clock is a little off."""


def job() -> UnresolvedAssetJobDefinition:
    """Everything: the snapshot, its checks, the views."""
    return dg.define_asset_job(
        JOB,
        # Prices have a job of their own: a price list that cannot be had must not fail a snapshot. So has retention.
        dg.AssetSelection.all() - dg.AssetSelection.assets(key_of(PRICES.name), key_of(RETENTION)),
        description="One snapshot of every image builder of every target, committed, checked, and behind the views.",
    )


def schedule(job: UnresolvedAssetJobDefinition, cadence: str, is_on: bool) -> dg.ScheduleDefinition:
    """A run in every window. It is off unless switched on: a laptop should not look at AWS by itself."""

    @dg.schedule(
        name="every_window",
        job=job,
        cron_schedule=f"{MINUTE} {'0' if cadence == 'daily' else '*'} * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        description=f"A {cadence} snapshot, of the window that is open.",
    )
    def every_window(context: dg.ScheduleEvaluationContext, clock: ClockResource) -> dg.RunRequest | dg.SkipReason:
        window = Window.at(cadence, context.scheduled_execution_time)
        try:
            window.require_open(cadence, clock.now())
        except ClosedWindowError as error:  # The daemon was down when its time came.
            return dg.SkipReason(str(error))
        return dg.RunRequest(partition_key=window.key)

    return every_window


def told_switch(before: str | None, now: str) -> list[str]:
    """A sentence where the windows of a warehouse were of another cadence than the one that is opened."""
    if before in (None, now):
        return []
    return [
        f"Windows were {before} until now, and this one is {now}: that is what IMAGE_BUILDERS_CADENCE says, or the "
        "default where it cannot be read what the warehouse has."
    ]


def freshness(key: dg.AssetKey, cadence: str) -> dg.FreshnessPolicy:
    """How old an asset may be: a window late is a warning, two are a failure; prices may be a month old."""
    if key == key_of(PRICES.name):
        return dg.FreshnessPolicy.time_window(timedelta(days=60), warn_window=timedelta(days=30))
    late = CADENCES[cadence] + GRACE
    return dg.FreshnessPolicy.time_window(late + CADENCES[cadence], warn_window=late)
