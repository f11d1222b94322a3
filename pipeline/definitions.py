"""What Dagster loads: the assets, checks, jobs, schedules and sensor, with their resources and executor.

Loading reads the settings, and which windows a warehouse on this machine has; it makes no calls.
"""

import warnings
from typing import Any

import dagster as dg

from pipeline.defs.catalog import key_of, owned
from pipeline.defs.checks import build_checks
from pipeline.defs.executors import executor_of
from pipeline.defs.partitions import windows
from pipeline.defs.prices import build_prices, price_job, price_schedule
from pipeline.defs.process import executes_a_run, known_windows, process_environment, settled
from pipeline.defs.report import build_report
from pipeline.defs.resources import AwsResource, ClockResource, ProgressResource, WarehouseResource
from pipeline.defs.retention import build_retention, retention_job, retention_schedule
from pipeline.defs.schedules import RETENTION, freshness, job, schedule
from pipeline.defs.sensor import build_sensor
from pipeline.defs.snapshot import build_snapshot
from pipeline.defs.view_checks import build_view_checks
from pipeline.defs.views import build_views
from pipeline.settings import Environment


def build_definitions(environment: Environment, **overrides: Any) -> dg.Definitions:
    """The code location. `overrides` replace resources: aws, warehouse, clock, progress, io_manager.

    Raises ConfigurationError for settings that are not valid: the executor and its file, the rules, a webhook.
    """
    environment = settled(environment)
    clock = overrides.get("clock") or ClockResource()
    # A process that executes a step of a run may load them when the run's window is over: there every window is one.
    is_offering = not executes_a_run()
    partitions = windows(
        environment.window_cadence,
        clock.now(),
        known_windows(environment) if is_offering else None,
        environment.first_window if is_offering else None,
    )
    snapshot_job, prices_job, forget_job = job(), price_job(), retention_job()
    executor = executor_of(environment)
    resources = {
        "aws": AwsResource(look_deadline=environment.look_deadline),
        "warehouse": WarehouseResource(location=environment.warehouse, kms_key=environment.s3_kms_key or ""),
        "clock": clock,
        "progress": ProgressResource(),
    }
    definitions = dg.Definitions(
        assets=[
            build_snapshot(environment, partitions, executor.name != "in_process"),
            *build_views(environment),
            build_report(environment),
            build_prices(environment),
            build_retention(environment),
        ],
        asset_checks=[*build_checks(environment), *build_view_checks(environment)],
        jobs=[snapshot_job, prices_job, forget_job],
        schedules=[
            schedule(snapshot_job, environment.window_cadence, environment.schedule),
            price_schedule(prices_job, environment.schedule),
            retention_schedule(forget_job),
        ],
        sensors=[build_sensor(environment)],
        resources=resources | overrides,
        executor=executor,
    )
    with warnings.catch_warnings():
        # Dagster (1.13) calls this way of changing all assets alike a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return definitions.map_asset_specs(func=lambda spec: _watched(owned(spec, environment), environment))


def _watched(spec: dg.AssetSpec, environment: Environment) -> dg.AssetSpec:
    """An asset with how old it may be; that of retention, which is off until somebody wants it, may be of any age."""
    if spec.key == key_of(RETENTION):
        return spec
    watched: dg.AssetSpec = dg.apply_freshness_policy(spec, freshness(spec.key, environment.window_cadence))
    return watched


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions by the settings of the process that Dagster runs in."""
    return build_definitions(process_environment())
