"""Retention: an asset that forgets old looks, off until a setting says how long they are kept; and Dagster's own runs,
which would fill a disk.
"""

import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster import AssetExecutionContext
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipeline.contract import EXTRACTS
from pipeline.defs.catalog import key_of, module_of
from pipeline.defs.failures import fail_with_sentence
from pipeline.defs.own_runs import LOCATION
from pipeline.defs.resources import ClockResource, WarehouseResource
from pipeline.defs.schedules import RETENTION
from pipeline.defs.telling import COMMITTED
from pipeline.settings import Environment
from pipeline.warehouse import forgetting

JOB = "image_builders_retention"

RUNS_AT_ONCE = 50
"""Old runs of Dagster's that one run removes."""

RUNS_LOOKED_AT = 1000
"""The oldest runs, among which those of this project are."""


def build_retention(environment: Environment) -> dg.AssetsDefinition:
    """The asset. It changes nothing unless IMAGE_BUILDERS_KEEP_DAYS is set."""

    @dg.asset(
        name=RETENTION,
        deps=[key_of(EXTRACTS.name)],
        group_name="upkeep",
        kinds={"parquet"},
        metadata=module_of(forgetting.__file__),
        description="Looks older than IMAGE_BUILDERS_KEEP_DAYS are forgotten, the newest at each target excepted.",
    )
    def retention(
        context: AssetExecutionContext, warehouse: WarehouseResource, clock: ClockResource
    ) -> dg.MaterializeResult[None]:
        if environment.keep_days is None:
            context.log.info("Nothing is forgotten: IMAGE_BUILDERS_KEEP_DAYS is not set.")
            return dg.MaterializeResult(metadata={"looks": 0})
        now = clock.now()
        before = (now - timedelta(days=environment.keep_days)).date()
        with fail_with_sentence():
            told = forgetting.forget(warehouse.open(), before, now=now)
        return dg.MaterializeResult(
            metadata={
                "before": str(before),
                "looks": told.looks,
                "files_removed": told.files_removed,
                "files_rewritten": told.files_rewritten,
            }
        )

    return retention


def retention_job() -> UnresolvedAssetJobDefinition:
    """The asset by itself."""
    return dg.define_asset_job(
        JOB,
        dg.AssetSelection.assets(key_of(RETENTION)),
        description="Forgets looks older than IMAGE_BUILDERS_KEEP_DAYS.",
    )


def retention_schedule(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Once a month. It is off until somebody switches it on."""
    return dg.ScheduleDefinition(
        name="every_month",
        job=job,
        cron_schedule="30 3 4 * *",
        execution_timezone="UTC",
        description="Forgets looks older than IMAGE_BUILDERS_KEEP_DAYS.",
    )


def prune_runs(instance: dg.DagsterInstance, keep_days: int, now: datetime) -> list[str]:
    """Removes this project's runs that ended longer ago, with their events and logs; returns their ids. Others of the
    same instance are nobody's to remove here.

    A few at a time: a backlog is worked off over several runs. What the storage keeps in files of its own goes too.
    """
    ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    old = instance.get_run_records(
        dg.RunsFilter(statuses=list(ended), updated_before=now.astimezone(UTC) - timedelta(days=keep_days)),
        limit=RUNS_LOOKED_AT,
        ascending=True,
    )
    home = Path(instance.root_directory)
    old = [record for record in old if _is_ours(record.dagster_run)][:RUNS_AT_ONCE]
    for record in old:
        run_id = record.dagster_run.run_id
        instance.delete_run(run_id)
        for path in (home / "history" / "runs").glob(f"{run_id}.db*"):  # SQLite's own, of that run alone.
            path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.rmtree(home / "storage" / run_id)
    return [record.dagster_run.run_id for record in old]


def _is_ours(run: dg.DagsterRun) -> bool:
    """Whether a run is of one of this project's jobs, or of this code location's assets."""
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin.location_name if origin else None
    return run.job_name.startswith("image_builder") or COMMITTED in run.tags or location == LOCATION
