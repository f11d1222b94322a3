"""The snapshot of a window as a graph of assets: plan → extract, one step a shard → publish."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from pipeline import shown, targets, views
from pipeline.contract import TABLES
from pipeline.defs.catalog import key_of, table_source
from pipeline.defs.failures import (
    STEP_RETRIES,
    STEP_RETRY_SECONDS,
    fail_with_sentence,
    refuse,
    retry_what_may_pass,
)
from pipeline.defs.metadata import metadata_of
from pipeline.defs.partitions import Windows
from pipeline.defs.resources import AwsResource, ClockResource, ProgressResource, WarehouseResource
from pipeline.defs.retention import prune_runs
from pipeline.defs.schedules import told_switch
from pipeline.defs.schemas import table_schema
from pipeline.defs.telling import COMMITTED, SEEN, is_of_ended_run, observe_remarks, seen
from pipeline.errors import ClosedWindowError, OlderWindowError
from pipeline.extract import Selection, Sweep
from pipeline.settings import Environment
from pipeline.settings.targets_file import read_targets
from pipeline.targets import Target
from pipeline.views.generated import TABLES_GROUP
from pipeline.warehouse import Extracted, Warehouse, upkeep
from pipeline.windows import Window

SNAPSHOT = "snapshot"


class SnapshotConfig(dg.Config):
    """What to list of each target: the parameters of boto3's paginator, with the meaning they have there."""

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
    tags: bool
    planned_at: datetime


def build_snapshot(environment: Environment, partitions: Windows, has_workers: bool = False) -> dg.AssetsDefinition:
    """The tables as one graph-backed set of assets; `has_workers`: steps run in processes of their own."""
    plan, extract, publish = (
        _plan(environment),
        _extract(environment.window_cadence, has_workers),
        _publish(environment),
    )

    @dg.graph_multi_asset(
        name=SNAPSHOT,
        group_name=TABLES_GROUP,
        outs={
            t.name: dg.AssetOut(
                key=key_of(t.name),
                # Of a window that is refused none is made, and none is painted as failed.
                is_required=False,
                description=f"{t.grain} Key: {', '.join(t.key)}.",
                dagster_type=dg.Nothing,
                metadata={"dagster/column_schema": table_schema(t), **table_source(t.name)},
                kinds={"aws", "parquet"},
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


def _plan(environment: Environment) -> dg.OpDefinition:
    @dg.op(out=dg.DynamicOut(Shard), description="Which accounts and regions to look at, in how many shards.")
    def plan(
        context: dg.OpExecutionContext,
        config: SnapshotConfig,
        aws: AwsResource,
        warehouse: WarehouseResource,
        clock: ClockResource,
    ) -> Iterator[dg.DynamicOutput[Shard]]:
        with fail_with_sentence():
            selection = Selection(tuple(config.names), config.page_size, config.max_items, config.starting_token)
            home = warehouse.open()
            try:
                _require_window(environment.window_cadence, context.partition_key, clock.now(), home, selection)
            except (ClosedWindowError, OlderWindowError) as error:
                refuse(context, error)
                return
            home.discard([name for name in home.staged() if is_of_ended_run(context, name)])
            planned_at = clock.now()
            targets_file = read_targets(environment.file("targets"), environment.tags)
            planned = targets.plan(aws.access(), config.regions, targets_file, aws.look_deadline)
            selection.require_fits(len(planned.targets))
        remarks = [str(remark) for remark in planned.remarks]
        remarks += told_switch(home.cadence(), environment.window_cadence)
        if remarks:
            observe_remarks(context, remarks)
        accounts = len({t.account_id for t in planned.targets})
        context.log.info(f"{len(planned.targets)} targets to look at, in {accounts} accounts")
        for number, mine in enumerate(targets.split(planned.targets, config.shards or environment.shards)):
            shard = Shard(
                f"{context.run_id}-{number}",
                mine,
                selection,
                planned.concurrency,
                planned.is_whole,
                planned.tags,
                planned_at,
            )
            yield dg.DynamicOutput(shard, mapping_key=str(number))

    return plan


def _require_window(cadence: str, key: str, now: datetime, home: Warehouse, selection: Selection) -> None:
    window = Window.of_key(cadence, key)
    window.require_open(cadence, now)
    home.check()
    if not selection.is_complete:
        home.require_newest_window(window)


def _extract(cadence: str, has_workers: bool) -> dg.OpDefinition:
    # With a RetryPolicy, Dagster repeats a step whose worker was lost. In process it would also repeat Ctrl-C.
    policy = dg.RetryPolicy(max_retries=STEP_RETRIES, delay=STEP_RETRY_SECONDS) if has_workers else None

    @dg.op(
        out=dg.Out(dg.Any),
        description="A look at every target of a shard, each on its own; those that succeed go to the scratch folder.",
        retry_policy=policy,
    )
    def extract(
        context: dg.OpExecutionContext,
        shard: Shard,
        aws: AwsResource,
        warehouse: WarehouseResource,
        clock: ClockResource,
        progress: ProgressResource,
    ) -> Extracted | None:
        # Checked again: a run that is re-executed from its failure comes here without planning.
        try:
            Window.of_key(cadence, context.partition_key).require_open(cadence, clock.now())
        except ClosedWindowError as error:
            refuse(context, error)
            return None
        # A step whose worker is lost is begun again: each attempt writes a stream of its own.
        name = f"{shard.name}-{secrets.token_hex(4)}"
        with fail_with_sentence(), retry_what_may_pass(), warehouse.open().stage(name) as (stream, sink):
            sweep = Sweep(
                aws.access(shard.concurrency),
                clock.now,
                shard.selection,
                aws.retry_policy,
                shard.concurrency,
                context.run_id,
                progress.reporter(context.log),
                shard.tags,
                aws.limits,
            )
            rows = sweep.run(shard.targets, sink)
        configured = {"is_configured": True, "configured_at": shard.planned_at} if shard.is_whole else {}
        return Extracted([row | {"is_configured": None} | configured for row in rows], stream)

    return extract


def _publish(environment: Environment) -> dg.OpDefinition:
    @dg.op(
        out={t.name: dg.Out(dg.Nothing, is_required=False) for t in TABLES},
        description="The tables of the window, committed in one piece.",
    )
    def publish(
        context: dg.OpExecutionContext,
        extracted: list[Extracted | None],
        warehouse: WarehouseResource,
        clock: ClockResource,
    ) -> Iterator[dg.Output[None]]:
        looked = [shard for shard in extracted if shard is not None]
        if not looked or len(looked) < len(extracted):
            return  # The window was refused, or was over for one of the shards.
        with fail_with_sentence():
            home = warehouse.open()
            window = Window.of_key(environment.window_cadence, context.partition_key)
            published = home.publish(window, looked, clock.now, context.run_id)
        # From here on the snapshot is committed, and nothing that fails may say that it is not.
        try:
            context.instance.add_run_tags(context.run_id, {SEEN: seen(looked), COMMITTED: published.snapshot_id})
        except Exception as error:
            context.log.warning(
                f"The snapshot {published.snapshot_id} is committed; the run could not be tagged: "
                f"{shown.log(str(error))}"
            )
        if published.warnings:
            observe_remarks(context, list(published.warnings))
        for table in TABLES:
            yield dg.Output(None, table.name, metadata=metadata_of(home, published, table, looked))
        try:
            upkeep.tend(home, clock.now())
            views.fold(home, views.Settings.read(environment), clock.now())
            prune_runs(context.instance, environment.keep_runs_days, datetime.now(UTC))
        except Exception as error:
            observe_remarks(context, [f"Upkeep could not be done, and the next run does it: {error}"])

    return publish
