"""The job as Dagster runs it: assets, windows, checks, schedule, and what its UI is told."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest

from pipeline import views
from pipeline.contract import CHILDREN, TABLES
from pipeline.definitions import build_definitions
from pipeline.defs.catalog import key_of, name_of
from pipeline.defs.checks import unknown_members
from pipeline.defs.resources import AwsResource, ClockResource, ProgressResource, WarehouseResource
from pipeline.defs.schedules import JOB
from pipeline.defs.views import asset_views
from pipeline.errors import ConfigurationError
from pipeline.extract.sweep import Progress
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.views.sql_files import sql_files, sql_query
from pipeline.views.upstream import upstream
from pipeline.warehouse.snapshot_ids import path_of
from pipeline.windows import Window
from tests.support import NOON, Looker, builder, estate_of, settings_of

ROOT = Path(__file__).parents[2]
DG = Path(sys.executable).with_name("dg")

# Dagster's own: a resource lives on a temporary instance; sqlite connections of its pool are closed by the collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]

Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def run(looker: Callable[..., Looker], tmp_path: Path) -> Iterator[tuple[Looker, Run]]:
    """A looker's sandbox and warehouse, and the job on them."""
    look = looker(
        us_east_1=[builder("a", VpcConfig={"SubnetIds": ["s1", "s2"]}), builder("b")],
        eu_west_1=[builder("c", "eu-west-1")],
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def execute(
            key: str = "2026-11-23", environ: dict[str, str] | None = None, whole: bool = False, **config: Any
        ) -> Any:
            definitions = build_definitions(
                settings_of(environ),
                aws=AwsResource(page_retries=1, page_retry_seconds=0),
                warehouse=WarehouseResource(location=look.warehouse.location, grace=0.0),
                clock=ClockResource(at=look.sandbox.clock.now().isoformat()),
            )
            return definitions.resolve_job_def(JOB).execute_in_process(
                instance=instance,
                partition_key=key,
                run_config={"ops": {"snapshot": {"config": {"regions": ["us-east-1", "eu-west-1"]} | config}}},
                raise_on_error=False,
                # What lies over the tables takes its time: only tests that are about it have it made.
                asset_selection=None if whole else [key_of(t.name) for t in TABLES],
            )

        yield look, execute


def materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = (e.materialization for e in result.get_asset_materialization_events())
    return {name_of(m.asset_key) if m.asset_key != dg.AssetKey("report") else "report": m for m in events}


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    return {(name_of(e.asset_key), e.check_name): e for e in result.get_asset_check_evaluations()}


@pytest.mark.slow
def test_a_run_materializes_every_table_and_the_views(run: tuple[Looker, Run]) -> None:
    look, execute = run
    result = execute(whole=True)
    assert result.success
    made = materializations(result)
    over = {view.name for view in asset_views()} | {"report"}
    assert set(made) == {t.name for t in TABLES} | over
    assert {m.partition for name, m in made.items() if name not in over} == {"2026-11-23"}
    # A view tells of all windows.
    assert {m.partition for name, m in made.items() if name in over} == {None}
    assert views.query(look.warehouse, "select name from image_builders_current order by 1")["name"].to_pylist() == [
        "a",
        "b",
        "c",
    ]
    (run_id,) = {r["run_id"] for r in views.query(look.warehouse, "from extracts").to_pylist()}
    assert run_id == result.run_id
    assert not list((Path(look.warehouse.location) / "_staging").rglob("*.arrow"))


@pytest.mark.slow
def test_views_tell_their_columns_lineage_rows_and_pictures(run: tuple[Looker, Run]) -> None:
    _, execute = run
    result = execute(whole=True)
    made = materializations(result)
    told = made["findings"].metadata
    assert told["dagster/row_count"].value == 3 * 11
    lineage = told["dagster/column_lineage"].value.deps_by_column  # type: ignore[union-attr]
    assert ("finding_judgements", "name") in {(name_of(d.asset_key), d.column_name) for d in lineage["name"]}
    assert ("finding_judgements", "severity") in {(name_of(d.asset_key), d.column_name) for d in lineage["severity"]}
    schema = told["dagster/column_schema"].value
    assert [(c.name, c.type) for c in schema.columns][:2] == [("account_id", "varchar"), ("region", "varchar")]  # type: ignore[union-attr]
    assert "| no_vpc_endpoint | ████████████████████████ | 3 |" in str(told["failing by rule"].value)
    assert "| subnet_id |" in str(made["image_builder_subnets_current"].metadata["preview"].value).splitlines()[0]
    assert Path(str(made["report"].metadata["path"].value)).read_text().startswith("<!doctype html>")
    evaluated = checks(result)
    found = evaluated["findings", "no_vpc_endpoint"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(found.description).startswith(
        "3 image builders with this: Streams without an interface VPC endpoint. 123456789012/"
    )
    assert (found.metadata["failing"].value, found.metadata["unknown"].value) == (3, 0)
    of_views = {key: e.passed for key, e in evaluated.items() if key[0] not in {t.name for t in TABLES} | {"findings"}}
    assert len(of_views) > 20
    assert all(of_views.values()), of_views


def test_the_graph_of_views_is_that_of_their_sql() -> None:
    graph = build_definitions(settings_of({})).resolve_asset_graph()
    for view in asset_views():
        node = graph.get(key_of(view.name))
        assert {name_of(key) for key in node.parent_keys} == upstream(view)
        assert node.description == f"{view.purpose}\n\nGrain: {view.grain}"
    assert {name_of(k) for k in graph.get(dg.AssetKey("prices")).parent_keys} == {
        "instance_prices",
        "price_file",
    }
    asked = re.findall(r"\b(?:from|join) (\w+)", " ".join(sql_query("report", name) for name in sql_files("report")))
    known = {view.name for view in asset_views()}
    above = {name_of(key) for key in graph.get(dg.AssetKey("report")).parent_keys}
    assert set(asked) & known == above


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ("", dg.AssetCheckSeverity.WARN),
        ("checks: error", dg.AssetCheckSeverity.ERROR),
        ("checks: error\nrules: {failed: {checks: warn}}", dg.AssetCheckSeverity.WARN),
        ("rules: {failed: {checks: off}}", None),
        ('rules: {failed: {checks: "off"}}', None),
        ("rules: {failed: {enabled: false}}", None),
    ],
)
def test_findings_warn_unless_it_is_said_otherwise(settings: str, severity: Any, run: tuple[Looker, Run]) -> None:
    look, _ = run
    estate_of(look)[ACCOUNT, "us-east-1"] = [builder("a", State="FAILED")]
    look.publish("us-east-1")
    Path("findings.yaml").write_text(settings)
    job = dg.define_asset_job("only_findings", dg.AssetSelection.checks_for_assets(dg.AssetKey("findings")))
    definitions = build_definitions(
        settings_of({}), warehouse=WarehouseResource(location=look.warehouse.location, grace=0.0)
    )
    merged = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    evaluated = checks(merged.resolve_job_def("only_findings").execute_in_process())
    found = evaluated.get(("findings", "failed"))
    assert (found.severity if found else None) == severity
    if found:
        assert not found.passed


@pytest.mark.slow
def test_a_price_list_that_cannot_be_had_keeps_what_reads_it_and_nothing_else(run: tuple[Looker, Run]) -> None:
    look, _ = run
    look.sandbox.services.refused = {"GetProducts"}
    definitions = build_definitions(
        settings_of(),
        warehouse=WarehouseResource(location=look.warehouse.location, grace=0.0),
        clock=ClockResource(at=NOON.isoformat()),
    )
    everything = dg.Definitions.merge(
        definitions, dg.Definitions(jobs=[dg.define_asset_job("everything", dg.AssetSelection.all())])
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = everything.resolve_job_def("everything").execute_in_process(
            instance=instance, partition_key="2026-11-23", raise_on_error=False
        )
    assert not result.success
    missing = {view.name for view in asset_views()} - set(materializations(result))
    priced = {"running_cost", "volume_cost", "cost_by_day", "cost_by_month", "cost_parts", "burn_rate"}
    assert missing == {"prices"} | priced
    assert views.query(look.warehouse, "from findings").num_rows > 0


def test_upkeep_that_fails_costs_no_snapshot(run: tuple[Looker, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    look, execute = run

    def fail(*_: Any) -> None:
        raise ValueError("a file that is cut short")

    monkeypatch.setattr("pipeline.warehouse.upkeep.tend", fail)
    assert execute().success
    assert views.query(look.warehouse, "from image_builders").num_rows == 3


@pytest.mark.parametrize(("cadence", "warn", "fail"), [("daily", 24, 48), ("hourly", 1, 2)])
def test_assets_say_how_old_they_may_be(cadence: str, warn: int, fail: int) -> None:
    definitions = build_definitions(settings_of({"IMAGE_BUILDERS_CADENCE": cadence}))
    for spec in definitions.resolve_all_asset_specs():
        policy: Any = spec.freshness_policy
        if spec.key == key_of("retention"):
            assert policy is None, "it is off until somebody wants it"
            continue
        assert policy, spec.key
        if spec.key == key_of("instance_prices"):
            assert policy.fail_window.to_timedelta() == timedelta(days=60)
            continue
        assert policy.warn_window.to_timedelta() == timedelta(hours=warn, minutes=15)
        assert policy.fail_window.to_timedelta() == timedelta(hours=fail, minutes=15)


def test_prices_are_an_asset_that_runs_seldom_and_by_itself(run: tuple[Looker, Run]) -> None:
    look, _ = run
    definitions = build_definitions(
        settings_of({}), warehouse=WarehouseResource(location=look.warehouse.location, grace=0.0)
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("image_builder_prices").execute_in_process(instance=instance)
    (made,) = materializations(result).values()
    assert made.asset_key == key_of("instance_prices")
    assert made.metadata["dagster/row_count"].value > 50  # type: ignore[operator]
    snapshot = definitions.resolve_job_def(JOB)
    assert key_of("instance_prices") not in snapshot.asset_layer.selected_asset_keys
    schedule = definitions.resolve_schedule_def("every_week")
    assert (schedule.cron_schedule, schedule.default_status) == ("17 3 * * 1", dg.DefaultScheduleStatus.STOPPED)


def test_what_the_ui_is_told(run: tuple[Looker, Run]) -> None:
    look, execute = run
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-west-1"))
    made = materializations(execute())
    told: dict[str, Any] = {k: v.value for k, v in made["image_builder_subnets"].metadata.items()}
    assert told["dagster/partition_row_count"] == 2
    assert Path(told["path"]).is_file()
    assert "| subnet_id |" in told["preview"].splitlines()[0]
    assert "| s2 |" in told["preview"].splitlines()[3]
    told = {k: v.value for k, v in made["extracts"].metadata.items()}
    assert (told["targets"], told["targets_not_seen"]) == (2, 1)
    assert (
        "| 123456789012 |  | eu-west-1 | denied | False | 0 | AccessDeniedException |"
        in told["coverage"].splitlines()[2]
    )


def test_every_table_has_its_column_schema_with_descriptions() -> None:
    graph = build_definitions(settings_of({})).resolve_asset_graph()
    for table in TABLES:
        assert graph.get(key_of(table.name)).group_name == "tables"
        schema = graph.get(key_of(table.name)).metadata["dagster/column_schema"]
        assert [(c.name, c.description, c.constraints.nullable) for c in schema.columns] == [
            (c.name, c.description, c.nullable) for c in table.columns
        ]


def test_all_checks_pass_where_all_is_well(run: tuple[Looker, Run]) -> None:
    evaluated = checks(run[1]())
    assert set(evaluated) == (
        {("extracts", "coverage"), ("extracts", "files"), ("image_builders", "drift")}
        | {(t.name, "unique_key") for t in TABLES}
        | {(t.name, "no_orphans") for t in CHILDREN}
    )
    assert [key for key, e in evaluated.items() if not e.passed] == []


def test_coverage_is_an_error_that_lists_each_target_not_seen(run: tuple[Looker, Run]) -> None:
    look, execute = run
    execute()
    look.sandbox.appstream.faults[:] = [Fault("deny", region="eu-west-1"), Fault("html", region="us-east-1")]
    found = checks(execute())["extracts", "coverage"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.description
    assert found.description.startswith("2 of 2 targets were not seen: 123456789012/eu-west-1, denied, AccessDenied")
    assert "123456789012/us-east-1, malformed, MalformedReply" in found.description


def test_drift_warns_of_members_and_enum_values_that_are_new(run: tuple[Looker, Run]) -> None:
    look, execute = run
    look.sandbox.appstream.faults.append(Fault("unknown_members", region="us-east-1"))
    result = execute()
    found = checks(result)["image_builders", "drift"]
    assert result.success
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    rows = str(found.metadata["rows"].value)
    assert "| member | HibernationMode |  | 2 |" in rows
    assert "| member | VpcConfig.OutpostArn |  | 2 |" in rows
    assert "| enum value | State | HIBERNATED | 2 |" in rows


def test_unknown_members_are_told_by_their_path() -> None:
    extras = [('{"A": 1, "ImageBuilderErrors": {"0": {"B": 2}, "3": {"B": 3}}}', 5), ('{"A": {"x": 1}}', 1)]
    assert unknown_members(extras) == [
        {"what": "member", "where": "A", "value": None, "rows": 6},
        {"what": "member", "where": "ImageBuilderErrors[].B", "value": None, "rows": 5},
    ]


def test_repeated_keys_and_orphans_are_found(run: tuple[Looker, Run]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    look, execute = run
    execute()
    (snapshot_id,) = look.warehouse.snapshots()
    root = Path(look.warehouse.location)
    subnets = next(t for t in TABLES if t.name == "image_builder_subnets")
    path = root / path_of(subnets, snapshot_id)
    rows = pq.read_table(path, partitioning=None)
    stranger = rows.slice(0, 1).set_column(3, rows.schema.field(3), [["arn:of:nobody"]])
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 1), stranger]), path)
    definitions = build_definitions(settings_of({}), warehouse=WarehouseResource(location=str(root), grace=0.0))
    of_tables = dg.AssetSelection.checks_for_assets(*(key_of(t.name) for t in TABLES))
    job = dg.define_asset_job("only_checks", of_tables)
    alone = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    evaluated = checks(alone.resolve_job_def("only_checks").execute_in_process())
    failing = {key: e.description for key, e in evaluated.items() if not e.passed}
    assert set(failing) == {
        ("extracts", "files"),
        ("image_builder_subnets", "unique_key"),
        ("image_builder_subnets", "no_orphans"),
    }
    assert "1 file is not what was committed: image_builder_subnets/" in str(failing["extracts", "files"])
    assert "1 row has no image builder: arn:of:nobody, 0" in str(failing["image_builder_subnets", "no_orphans"])


@pytest.mark.parametrize(
    ("cadence", "key", "instead"),
    [
        ("daily", "2026-11-22", "launch partition 2026-11-23 instead"),
        ("daily", "2026-11-20", "launch partition 2026-11-23 instead"),
        ("hourly", "2026-11-23-10:00", "launch partition 2026-11-23-12:00 instead"),
    ],
)
def test_a_closed_window_is_refused_and_nothing_is_touched(
    cadence: str, key: str, instead: str, run: tuple[Looker, Run], capfd: pytest.CaptureFixture[str]
) -> None:
    """The window of a good snapshot of before; a window without one is no partition, and cannot be launched."""
    look, execute = run
    look.cadence = cadence
    look.sandbox.clock.set(Window.of_key(cadence, key).start)
    look.publish("us-east-1")
    before, calls = look.warehouse.snapshots(), len(look.sandbox.appstream.calls)
    look.sandbox.clock.set(NOON)
    result = execute(key, {"IMAGE_BUILDERS_CADENCE": cadence}, whole=True)
    assert result.success, "for Dagster would paint what it was to make as failed"
    assert materializations(result) == {}
    assert result.get_asset_check_evaluations() == []
    assert f"Window {key} is over, and AppStream can be observed only now: {instead}.\n" in capfd.readouterr().err
    assert look.warehouse.snapshots() == before
    assert len(look.sandbox.appstream.calls) == calls
    other = Window.at(cadence, Window.of_key(cadence, key).start - timedelta(days=2)).key
    with pytest.raises(click.ClickException, match=f"Window {other} is over, and .* launch partition .* instead"):
        execute(other, {"IMAGE_BUILDERS_CADENCE": cadence})


@pytest.mark.parametrize(("minutes", "open_"), [(-1, True), (14, True), (16, False)])
def test_a_window_takes_late_starts_for_a_while(minutes: int, open_: bool, run: tuple[Looker, Run]) -> None:
    look, execute = run
    look.publish("us-east-1")
    look.sandbox.clock.set(datetime(2026, 11, 24, tzinfo=UTC) + timedelta(minutes=minutes))
    assert bool(materializations(execute("2026-11-23"))) is open_


def test_a_run_that_is_taken_up_after_its_window_is_refused_too(
    run: tuple[Looker, Run], capfd: pytest.CaptureFixture[str]
) -> None:
    look, _ = run
    # The clock of a run under way: open when it is loaded and planned, over when the steps after it come.
    moments = iter([NOON, NOON, NOON, *[NOON + timedelta(days=5)] * 3])

    class MovingClock(ClockResource):
        def now(self) -> datetime:
            return next(moments)

    definitions = build_definitions(
        settings_of(), warehouse=WarehouseResource(location=look.warehouse.location, grace=0.0), clock=MovingClock()
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(JOB).execute_in_process(
            instance=instance, partition_key="2026-11-23", raise_on_error=False
        )
    assert result.success
    assert materializations(result) == {}
    assert "launch partition 2026-11-28 instead" in capfd.readouterr().err
    assert look.sandbox.appstream.calls == []
    assert look.warehouse.snapshots() == []


def test_a_step_that_begins_after_its_window_has_its_own_partition(
    run: tuple[Looker, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker loads the definitions itself: with windows left out, Dagster would take the next one for its own."""
    look, _ = run
    look.publish("us-east-1")
    now = ClockResource(at=(NOON + 3 * timedelta(days=1)).isoformat())
    missed = "2026-11-25"

    def keys() -> list[str]:
        definitions = build_definitions(settings_of(), clock=now)
        partitions = definitions.get_repository_def().asset_graph.get(key_of("extracts")).partitions_def
        assert partitions
        return list(partitions.subset_with_partition_keys([missed]).get_partition_keys())

    assert keys() != [missed], "what is offered has no window that was missed"
    monkeypatch.setattr("sys.argv", ["dagster", "api", "execute_step", "x"])
    assert keys() == [missed]


@pytest.mark.parametrize("config", [{"shards": 0}, {"page_size": 0}, {"max_items": -1}])
def test_configuration_that_cannot_be_is_refused(config: dict[str, Any], run: tuple[Looker, Run]) -> None:
    look, execute = run
    with contextlib.suppress(dg.DagsterInvalidConfigError):
        assert not execute(**config).success
    assert look.sandbox.appstream.calls == []


def test_hourly_windows(run: tuple[Looker, Run]) -> None:
    look, execute = run
    assert execute("2026-11-23-12:00", {"IMAGE_BUILDERS_CADENCE": "hourly"}).success
    look.sandbox.clock.set(NOON + timedelta(hours=1))
    estate_of(look)[ACCOUNT, "us-east-1"] = []
    assert execute("2026-11-23-13:00", {"IMAGE_BUILDERS_CADENCE": "hourly"}).success
    rows = views.query(look.warehouse, "select builders from snapshots order by window_start")
    assert rows["builders"].to_pylist() == [3, 1]


def test_the_paginators_parameters_are_run_configuration(run: tuple[Looker, Run]) -> None:
    look, execute = run
    assert execute(regions=["us-east-1"], names=["a", "b"], page_size=1, max_items=1).success
    (call,) = look.sandbox.appstream.calls
    assert call.parameters == {"Names": ["a", "b"], "MaxResults": 1}
    (row,) = views.query(look.warehouse, "from extracts").to_pylist()
    assert (row["builders"], row["complete"]) == (1, False)
    token = row["resume_token"]
    assert execute(regions=["us-east-1"], names=["a", "b"], starting_token=token).success
    assert views.query(look.warehouse, "select name from image_builders order by 1")["name"].to_pylist() == ["a", "b"]


def test_several_shards_are_one_snapshot(run: tuple[Looker, Run]) -> None:
    look, execute = run
    result = execute(shards=5)
    assert result.success
    steps = {e.step_key for e in result.all_events if e.is_step_success}
    assert {"snapshot.extract[0]", "snapshot.extract[1]"} <= steps
    assert "snapshot.extract[2]" not in steps
    assert views.query(look.warehouse, "from image_builders").num_rows == 3


def test_nothing_is_called_while_definitions_load(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a call was made"))
    definitions = build_definitions(settings_of({"IMAGE_BUILDERS_WAREHOUSE": "/nowhere"}))
    assert definitions.resolve_job_def(JOB)


@pytest.mark.parametrize(
    ("environ", "status", "cron"),
    [
        ({}, dg.DefaultScheduleStatus.STOPPED, "5 0 * * *"),
        ({"IMAGE_BUILDERS_SCHEDULE": "on"}, dg.DefaultScheduleStatus.RUNNING, "5 0 * * *"),
        ({"IMAGE_BUILDERS_CADENCE": "hourly"}, dg.DefaultScheduleStatus.STOPPED, "5 * * * *"),
    ],
)
def test_the_schedule_is_off_unless_it_is_asked_for(environ: dict[str, str], status: Any, cron: str) -> None:
    schedule = build_definitions(settings_of(environ)).resolve_schedule_def("every_window")
    assert (schedule.default_status, schedule.cron_schedule) == (status, cron)


@pytest.mark.parametrize(
    ("cadence", "at", "key"),
    [
        ("daily", datetime(2026, 11, 23, 0, 5, tzinfo=UTC), "2026-11-23"),
        ("hourly", datetime(2026, 11, 23, 7, 5, tzinfo=UTC), "2026-11-23-07:00"),
    ],
)
def test_the_schedule_launches_the_window_that_is_open_and_no_other(cadence: str, at: datetime, key: str) -> None:
    def tick_at(now: datetime) -> Any:
        clock = ClockResource(at=now.isoformat())
        definitions = build_definitions(settings_of({"IMAGE_BUILDERS_CADENCE": cadence}), clock=clock)
        schedule = definitions.resolve_schedule_def("every_window")
        assert schedule.execution_timezone == "UTC"
        with dg.DagsterInstance.ephemeral() as instance:
            repository = definitions.get_repository_def()
            context = dg.build_schedule_context(instance, at, {"clock": clock}, repository)
            return schedule.evaluate_tick(context)

    tick = tick_at(at)
    assert tick.run_requests
    assert [r.partition_key for r in tick.run_requests] == [key]
    late = tick_at(at + timedelta(days=2))
    assert not late.run_requests, "a tick that is caught up after its window could only be refused"
    assert f"Window {key} is over" in (late.skip_message or "")


def test_a_cadence_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="IMAGE_BUILDERS_CADENCE is 'weekly'; it is one of: daily, hourly"):
        build_definitions(settings_of({"IMAGE_BUILDERS_CADENCE": "weekly"}))


@pytest.mark.parametrize(
    ("setting", "fails"), [("never", set()), ("any", {"one", "both"}), ("all", {"both"})], ids=["never", "any", "all"]
)
def test_a_run_that_did_not_see_all_fails_where_it_is_asked_to(
    setting: str, fails: set[str], run: tuple[Looker, Run]
) -> None:
    look, execute = run
    for name, region in (("one", "eu-west-1"), ("both", "*")):
        look.sandbox.appstream.faults[:] = [Fault("deny", region=region)]
        result = execute(environ={"IMAGE_BUILDERS_FAIL_UNSEEN": setting})
        assert result.success is (name not in fails)
        assert len(look.warehouse.snapshots()) == 1, "and it is committed either way"
        said = [e.step_failure_data.user_failure_data for e in result.all_events if e.is_step_failure]
        if name in fails:
            assert "not seen; the snapshot is committed, and the run fails because" in str(said[0])
        assert "extracts" in materializations(result)


def test_every_asset_has_a_short_name_its_source_and_the_owners_and_tags_of_the_settings() -> None:
    environ = {
        "IMAGE_BUILDERS_ASSET_OWNERS": "team:platform, me@example.com",
        "IMAGE_BUILDERS_ASSET_TAGS": "domain=cad, tier=gold",
    }
    graph = build_definitions(settings_of(environ)).get_repository_def().asset_graph
    groups = {node.group_name for node in graph.asset_nodes}
    assert groups == {
        "current",
        "history",
        "cost",
        "findings",
        "usage",
        "tables",
        "prices",
        "internal",
        "report",
        "upkeep",
    }
    for node in graph.asset_nodes:
        assert len(node.key.to_user_string()) <= 27
        assert list(node.owners) == ["team:platform", "me@example.com"]
        assert {k: v for k, v in node.tags.items() if "dagster" not in k} == {"domain": "cad", "tier": "gold"}
        (reference,) = node.metadata["dagster/code_references"].code_references
        assert Path(reference.file_path).is_file()
        assert node.kinds


def test_steps_run_in_the_runs_own_process() -> None:
    assert build_definitions(settings_of({})).executor is dg.in_process_executor


def test_progress_goes_to_the_log_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("pipeline.defs.resources.time.monotonic", lambda: now)
    said: list[str] = []

    class Log:
        info = staticmethod(said.append)

    report = ProgressResource().reporter(Log())  # type: ignore[arg-type]
    for seconds in (1.0, 6.0, 7.0, 12.0):
        now = 100.0 + seconds
        report(Progress(9, done=3, failed=1, builders=70))
    assert said == ["3 of 9 targets done, 70 image builders, 1 targets not seen"] * 2


def dg_command(*arguments: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    settings = os.environ | {"DAGSTER_HOME": str(home)} | environ
    return subprocess.run([DG, *arguments], cwd=ROOT, env=settings, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_dg_checks_the_definitions_from_the_repositorys_root(tmp_path: Path) -> None:
    done = dg_command("check", "defs", home=tmp_path / "home")
    assert (done.returncode, "All definitions loaded successfully" in done.stdout) == (0, True), done.stderr


@pytest.mark.slow
def test_dg_launches_the_assets_from_the_repositorys_root(looker: Callable[..., Looker], tmp_path: Path) -> None:
    look = looker(builder("a"))
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    done = dg_command(
        *("launch", "--assets", "*", "--partition", today),
        home=tmp_path / "home",
        IMAGE_BUILDERS_WAREHOUSE=look.warehouse.location,
    )
    assert done.returncode == 0, done.stderr
    assert views.query(look.warehouse, "from image_builders_current").num_rows == 1


@pytest.mark.slow
def test_workspace_yaml_loads_the_same_definitions(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"]
    (tmp_path / "home").mkdir()
    environ = os.environ | {"DAGSTER_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
