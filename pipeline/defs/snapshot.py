"""The snapshot as a graph of assets: plan → extract, one step a shard → publish.

Dagster's side of the job only: what is done, the modules it calls do.
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from pipeline.contract import EXTRACTS, TABLES, Table
from pipeline.defs.resources import AwsResource, ClockResource, ProgressResource, WarehouseResource
from pipeline.defs.schedules import Windows
from pipeline.errors import (
    ClosedWindowError,
    ConfigurationError,
    CredentialsError,
    ImageBuildersError,
    WarehouseError,
)
from pipeline.extract.listing import Selection
from pipeline.extract.sweep import Sweep
from pipeline.report.markdown import to_markdown
from pipeline.targets import planning as targets
from pipeline.targets.planning import Target
from pipeline.warehouse import upkeep
from pipeline.warehouse.warehouse import Extracted, Published, Warehouse
from pipeline.windows import Window

GROUP = "image_builders"
SNAPSHOT = "snapshot"
PREVIEW_ROWS = 10
COVERAGE_ROWS = 500
STEP_RETRIES, STEP_RETRY_SECONDS = 2, 10


class SnapshotConfig(dg.Config):
    """What to list: boto3's paginator's parameters, which mean what they mean there, for each target."""

    regions: list[str] = Field([], description="Regions to look at, in place of the targets file's.")
    names: list[str] = Field(
        [], description="Names: only these image builders; a look so narrowed proves nothing gone."
    )
    page_size: int | None = Field(None, ge=1, description="PageSize: image builders to a page.")
    max_items: int | None = Field(None, ge=1, description="MaxItems: image builders at most.")
    starting_token: str | None = Field(
        None, description="StartingToken: where an earlier listing stopped, its resume_token."
    )
    shards: int | None = Field(
        None,
        ge=1,
        description="Steps to split the targets into, for executors that run steps on several machines; "
        "IMAGE_BUILDERS_SHARDS, else 1, where none is given.",
    )


@dataclass(frozen=True)
class Shard:
    """The targets of one extract step."""

    name: str
    targets: tuple[Target, ...]
    selection: Selection
    concurrency: int
    is_whole: bool
    tags: bool = False


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Errors with a sentence for the user fail the step with that sentence, and are not tried again."""
    try:
        yield
    except ImageBuildersError as error:
        raise _failure(error, allow_retries=False) from error


def _failure(error: ImageBuildersError, allow_retries: bool) -> dg.Failure:
    metadata: dict[str, Any] = {"exit_code": error.exit_code, "error": type(error).__name__}
    return dg.Failure(str(error), metadata=metadata, allow_retries=allow_retries)


def column_schema(columns: dict[str, tuple[str, str, bool]]) -> dg.TableSchema:
    """Dagster's column schema, of type, description and nullability by name."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, kind, description, dg.TableColumnConstraints(nullable=nullable))
            for name, (kind, description, nullable) in columns.items()
        ]
    )


def table_schema(table: Table) -> dg.TableSchema:
    """The contract of a table as Dagster's column schema."""
    return column_schema({c.name: (str(c.type), c.description, c.nullable) for c in table.columns})


@contextlib.contextmanager
def tried_again() -> Iterator[None]:
    """What may pass, a warehouse out of reach for instance, is tried again by the step alone; an interrupt is not."""
    try:
        yield
    except (ConfigurationError, CredentialsError, ClosedWindowError):
        raise
    except Exception as error:
        cause = _failure(error, allow_retries=True) if isinstance(error, ImageBuildersError) else error
        raise dg.RetryRequested(STEP_RETRIES, STEP_RETRY_SECONDS) from cause


def build_assets(cadence: str, partitions: Windows, shards: int = 1, has_workers: bool = False) -> dg.AssetsDefinition:
    """The tables as one graph-backed set.

    `shards` is how many there are where a run says nothing, `has_workers` whether steps have processes of their own.
    """
    # With a policy Dagster takes up a step whose process was lost, but in process an interrupt too.
    lost_steps = dg.RetryPolicy(max_retries=STEP_RETRIES, delay=STEP_RETRY_SECONDS) if has_workers else None

    @dg.op(out=dg.DynamicOut(Shard), description="Which accounts and regions, in how many shards.")
    def plan(
        context: dg.OpExecutionContext,
        config: SnapshotConfig,
        aws: AwsResource,
        warehouse: WarehouseResource,
        clock: ClockResource,
    ) -> Iterator[dg.DynamicOutput[Shard]]:
        with told():
            Window.of_key(cadence, context.partition_key).require_open(cadence, clock.now())
            selection = Selection(tuple(config.names), config.page_size, config.max_items, config.starting_token)
            warehouse.open().storage.check()
            planned = targets.plan(aws.access(), config.regions)
            selection.require_fits(len(planned.targets))
        if planned.remarks:
            remarks = [str(remark) for remark in planned.remarks]
            context.log.warning("\n".join(remarks))
            observed = dg.AssetObservation(
                EXTRACTS.name, partition=context.partition_key, metadata={"remarks": remarks}
            )
            context.log_event(observed)
        accounts = len({t.account_id for t in planned.targets})
        context.log.info(f"{len(planned.targets)} targets to look at, in {accounts} accounts")
        for number, mine in enumerate(targets.split(planned.targets, config.shards or shards)):
            shard = Shard(
                f"{context.run_id}-{number}", mine, selection, planned.concurrency, planned.is_whole, planned.tags
            )
            yield dg.DynamicOutput(shard, mapping_key=str(number))

    @dg.op(
        description="A look at every target of a shard, each on its own; whole looks go to the scratch folder.",
        retry_policy=lost_steps,
    )
    def extract(
        context: dg.OpExecutionContext,
        shard: Shard,
        aws: AwsResource,
        warehouse: WarehouseResource,
        clock: ClockResource,
        progress: ProgressResource,
    ) -> Extracted:
        # Again: a run that is taken up from its failure comes here without planning anew.
        with told():
            Window.of_key(cadence, context.partition_key).require_open(cadence, clock.now())
        # A step may be begun twice, when its worker is lost: each writes a stream of its own.
        name = f"{shard.name}-{secrets.token_hex(4)}"
        with told(), tried_again(), warehouse.open().stage(name) as (stream, sink):
            sweep = Sweep(
                aws.access(shard.concurrency),
                clock.now,
                shard.selection,
                aws.patience,
                shard.concurrency,
                context.run_id,
                progress.reporter(context.log),
                shard.tags,
            )
            rows = sweep.run(shard.targets, sink)
        return Extracted([row | {"is_configured": shard.is_whole or None} for row in rows], stream)

    @dg.op(
        out={t.name: dg.Out(dg.Nothing) for t in TABLES},
        description="The tables of the window, committed in one piece.",
    )
    def publish(
        context: dg.OpExecutionContext,
        extracted: list[Extracted],
        warehouse: WarehouseResource,
        clock: ClockResource,
    ) -> Iterator[dg.Output[None]]:
        with told():
            home = warehouse.open()
            window = Window.of_key(cadence, context.partition_key)
            published = home.publish(window, extracted, clock.now, context.run_id)
            for table in TABLES:
                yield dg.Output(None, table.name, metadata=_metadata(home, published, table, extracted))
        try:
            upkeep.tend(home, clock.now())
        except Exception as error:  # The snapshot is there; the next run takes up what is left to be done.
            context.log.warning(f"Old snapshots could not be joined: {error}")

    @dg.graph_multi_asset(
        name=SNAPSHOT,
        group_name=GROUP,
        outs={
            t.name: dg.AssetOut(
                description=f"{t.grain} Key: {', '.join(t.key)}.",
                dagster_type=dg.Nothing,
                metadata={"dagster/column_schema": table_schema(t)},
                kinds={"parquet"},
            )
            for t in TABLES
        },
        partitions_def=partitions,
        config=dg.ConfigMapping(
            config_fn=lambda config: {"plan": {"config": config}},
            config_schema=SnapshotConfig.to_config_schema().as_field(),
        ),
    )
    def snapshot() -> dict[str, Any]:
        outs = publish(plan().map(extract).collect())
        return {t.name: getattr(outs, t.name) for t in TABLES}

    return snapshot


def _metadata(home: Warehouse, published: Published, table: Table, extracted: list[Extracted]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": published.counts[table.name],
        "dagster/uri": f"{home.location}/{published.paths[table.name]}",
        "path": dg.MetadataValue.path(f"{home.location}/{published.paths[table.name]}"),
        "snapshot_id": published.snapshot_id,
    }
    if table is EXTRACTS:
        metadata["coverage"] = dg.MetadataValue.md(_coverage(published.rows))
        looked = [r for e in extracted for r in e.rows]
        metadata["targets"] = len(looked)
        metadata["targets_not_seen"] = sum(r["status"] != "ok" for r in looked)
    else:
        with contextlib.suppress(WarehouseError):  # A later run of the window may have replaced it already.
            rows = home.head(table, published.snapshot_id, PREVIEW_ROWS).to_pylist()
            metadata["preview"] = dg.MetadataValue.md(to_markdown(rows))
    return metadata


def _coverage(rows: list[dict[str, Any]]) -> str:
    """The targets, those that were not seen first; of a large organization not every one that went well."""
    shown = (
        "account_id",
        "account_name",
        "region",
        "status",
        "complete",
        "builders",
        "error_code",
        "error_message",
        "later_status",
    )
    rows = sorted(rows, key=lambda r: (r.get("later_status") or r["status"]) == "ok")
    more = len(rows) - COVERAGE_ROWS
    table = to_markdown([{k: r.get(k) for k in shown} for r in rows[:COVERAGE_ROWS]])
    return table + (f"\n\nand {more:,} more, in `extracts`" if more > 0 else "")
