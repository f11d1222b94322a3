"""What Dagster loads: the assets, checks, job and schedule, with their resources and executor.

Loading reads settings from the environment and calls nobody.
"""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipeline.assets import build_assets
from pipeline.checks import build_checks
from pipeline.executors import executor_of, shards_of
from pipeline.resources import AwsResource, ClockResource, ProgressResource, WarehouseResource
from pipeline.schedules import job, schedule, windows
from pipeline.windows import cadence_of


def build_definitions(environ: Mapping[str, str] = os.environ, **overrides: Any) -> dg.Definitions:
    """The code location. `overrides` take the place of resources: aws, warehouse, clock, progress.

    Raises ConfigurationError for a setting that cannot be: the cadence, the executor, the number of shards.
    """
    cadence = cadence_of(environ.get("IMAGE_BUILDERS_CADENCE"))
    partitions = windows(cadence)
    snapshot_job = job()
    executor = executor_of(environ)
    resources = {
        "aws": AwsResource(),
        "warehouse": WarehouseResource(),
        "clock": ClockResource(),
        "progress": ProgressResource(),
    }
    return dg.Definitions(
        assets=build_assets(cadence, partitions, shards_of(environ), executor.name != "in_process"),
        asset_checks=build_checks(cadence),
        jobs=[snapshot_job],
        schedules=[schedule(snapshot_job, cadence, environ.get("IMAGE_BUILDERS_SCHEDULE") == "on")],
        resources=resources | overrides,
        executor=executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the environment that Dagster runs in."""
    return build_definitions()
