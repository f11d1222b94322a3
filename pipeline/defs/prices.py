"""The price list: an asset that is made seldom, with a job and a schedule of its own."""

import dagster as dg
from dagster import AssetExecutionContext
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipeline import shown, views
from pipeline.contract import PRICES
from pipeline.defs.catalog import key_of, table_source
from pipeline.defs.failures import fail_with_sentence
from pipeline.defs.resources import AwsResource, ClockResource, WarehouseResource
from pipeline.defs.schemas import table_schema
from pipeline.extract.price_list import Unplaced, fetch_prices
from pipeline.report.markdown import to_markdown
from pipeline.settings import Environment
from pipeline.warehouse import keep_prices

JOB = "image_builder_prices"
PREVIEW_ROWS = 10


def build_prices(environment: Environment) -> dg.AssetsDefinition:
    """A snapshot of AWS's price list. It has no partitions, because prices do not depend on windows."""

    @dg.asset(
        key=key_of(PRICES.name),
        group_name="prices",
        kinds={"aws", "parquet"},
        description=f"{PRICES.grain} Key: {', '.join(PRICES.key)}.",
        metadata={"dagster/column_schema": table_schema(PRICES), **table_source(PRICES.name)},
    )
    def instance_prices(
        context: AssetExecutionContext, aws: AwsResource, warehouse: WarehouseResource, clock: ClockResource
    ) -> dg.MaterializeResult[None]:
        with fail_with_sentence():
            home = warehouse.open()
            listed = fetch_prices(aws.access().session, clock.now(), aws.look_deadline)
            path = keep_prices(home, listed.rows)
            if home.snapshots():
                views.build(home, views.Settings.read(environment))  # Those of before had no prices to read.
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": listed.rows.num_rows,
                "dagster/uri": f"{home.location}/{path}",
                "preview": dg.MetadataValue.md(to_markdown(listed.rows.slice(0, PREVIEW_ROWS).to_pylist())),
                "unplaced": dg.MetadataValue.json([_told(product) for product in listed.unplaced]),
            }
        )

    return instance_prices


def _told(product: Unplaced) -> dict[str, str]:
    return {name: shown.log(str(value)) for name, value in vars(product).items()}


def price_job() -> UnresolvedAssetJobDefinition:
    """The price list alone."""
    return dg.define_asset_job(
        JOB, dg.AssetSelection.assets(key_of(PRICES.name)), description="A snapshot of AWS's price list."
    )


def price_schedule(job: UnresolvedAssetJobDefinition, is_on: bool) -> dg.ScheduleDefinition:
    """Once a week; off unless asked for."""
    return dg.ScheduleDefinition(
        name="every_week",
        job=job,
        cron_schedule="17 3 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        description="AWS's price list, which changes seldom.",
    )
