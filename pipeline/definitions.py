"""What Dagster loads: the assets, checks, jobs, schedules and sensor, with their resources and executor.

Loading reads settings from the environment and calls nobody.
"""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipeline.defs.checks import build_checks
from pipeline.defs.executors import executor_of, shards_of
from pipeline.defs.prices import build_price_assets, price_job, price_schedule
from pipeline.defs.report import build_report_asset
from pipeline.defs.resources import AwsResource, ClockResource, ProgressResource, WarehouseResource
from pipeline.defs.schedules import freshness, job, schedule, windows
from pipeline.defs.sensor import alert_sensor
from pipeline.defs.snapshot import build_assets
from pipeline.defs.view_checks import build_view_checks
from pipeline.defs.views import build_view_assets
from pipeline.settings.rules import read_rules
from pipeline.windows import cadence_of


def build_definitions(environ: Mapping[str, str] = os.environ, **overrides: Any) -> dg.Definitions:
    """The code location. `overrides` take the place of resources: aws, warehouse, clock, progress.

    Raises ConfigurationError for a setting that cannot be: the cadence, the executor, the number of shards, the rules,
    a webhook.
    """
    cadence = cadence_of(environ.get("IMAGE_BUILDERS_CADENCE"))
    partitions = windows(cadence)
    snapshot_job = job()
    prices_job = price_job()
    is_on = environ.get("IMAGE_BUILDERS_SCHEDULE") == "on"
    rules = read_rules(environ)
    executor = executor_of(environ)
    resources = {
        "aws": AwsResource(),
        "warehouse": WarehouseResource(),
        "clock": ClockResource(),
        "progress": ProgressResource(),
    }
    definitions = dg.Definitions(
        assets=[
            build_assets(cadence, partitions, shards_of(environ), executor.name != "in_process"),
            *build_view_assets(),
            build_report_asset(),
            build_price_assets(),
        ],
        asset_checks=[*build_checks(cadence), *build_view_checks(rules)],
        jobs=[snapshot_job, prices_job],
        schedules=[schedule(snapshot_job, cadence, is_on), price_schedule(prices_job, is_on)],
        sensors=[alert_sensor(environ)],
        resources=resources | overrides,
        executor=executor,
    )
    with warnings.catch_warnings():
        # Dagster (1.13) calls its way of changing all assets alike a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return definitions.map_asset_specs(
            func=lambda spec: dg.apply_freshness_policy(spec, freshness(spec.key, cadence))
        )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of the environment that Dagster runs in."""
    return build_definitions()
