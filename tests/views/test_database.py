"""The views: their headers against their columns, and what they say of a history that is known."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from pipeline import views
from pipeline.contract import CHILDREN, HIVE_KEY, TABLES
from pipeline.errors import QueryError, ViewError, WarehouseError
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.settings.rules import read_rules
from pipeline.views import View, engines
from pipeline.views.catalogue import views_of_files
from pipeline.views.sql_files import GROUPS
from pipeline.views.view import parse
from pipeline.warehouse import Warehouse, tend
from pipeline.warehouse.scan import TYPES
from tests.support import NOON, Looker, builder, estate_of, replay
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SQL = Path(__file__).parents[2] / "sql"
SQL_FILES = sorted((path for group in GROUPS for path in (SQL / group).glob("*.sql")), key=lambda path: path.stem)


def told(look: Looker, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = views.query(look.warehouse, sql).to_pylist()
    return rows


@pytest.fixture
def look(looker: Callable[..., Looker]) -> Looker:
    """Two regions over four windows: one fails on the third day; a builder goes, one comes, one is renewed."""
    look = looker(
        us_east_1=[builder("stays", VpcConfig={"SubnetIds": ["s1"]}), builder("goes")],
        eu_west_1=[builder("abroad", "eu-west-1", VpcConfig={"SubnetIds": ["s2"]})],
    )
    estate = estate_of(look)
    look.publish("us-east-1", "eu-west-1")
    look.sandbox.clock.set(NOON + DAY)
    estate[ACCOUNT, "us-east-1"] = [builder("stays", State="STOPPED", VpcConfig={"SubnetIds": ["s1", "s3"]})]
    look.publish("us-east-1", "eu-west-1")
    look.sandbox.clock.set(NOON + 2 * DAY)
    estate[ACCOUNT, "eu-west-1"] = []
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-west-1"))
    look.publish("us-east-1", "eu-west-1")
    look.sandbox.clock.set(NOON + 3 * DAY)
    estate[ACCOUNT, "us-east-1"] += [builder("comes")]
    look.publish("us-east-1", "eu-west-1", names=("comes",))
    return look


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The columns that DuckDB has for each view."""
    home = Warehouse(str(tmp_path_factory.mktemp("columns")), grace=0.0)
    replay.replay(home, NOON, {"us-east-1": Look([builder("a")])})
    with views.connect(home) as connection:
        return {
            view.name: connection.sql(
                f"from {view.name}" + (f"({', '.join(['now()'] * len(view.parameters))})" if view.parameters else "")
            ).columns
            for view in views.all_views()
        }


@pytest.mark.parametrize("view", views.all_views(), ids=lambda v: v.name)
def test_a_views_header_tells_its_columns_in_order_and_its_grain(view: View, columns: dict[str, list[str]]) -> None:
    assert columns[view.name] == list(view.columns)
    assert re.match(r"(?i)one row per ", view.grain), view.grain
    assert all(view.columns.values())


def test_every_file_of_sql_is_a_view_and_there_are_no_others() -> None:
    assert [p.stem for p in SQL_FILES] == sorted(v.name for v in views_of_files())
    generated = {t.name for t in TABLES} | {f"{t.name}_current" for t in CHILDREN}
    settings = {"finding_rules", "image_builder_states", "operating_systems", "owner_tags", "price_file"}
    settings |= {"close_looks", "finding_exceptions", "finding_judgements", "working_hours"}
    helpers = {v.name for v in views.all_views() if v.is_helper}
    assert {v.name for v in views.all_views()} == generated | settings | helpers | {p.stem for p in SQL_FILES}
    assert {v.name: v.group for v in views_of_files()} == {p.stem: p.parent.name for p in SQL_FILES}


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda p: p.stem)
def test_sql_is_carried_over_to_other_engines(path: Path) -> None:
    for dialect in ("spark", "trino"):
        (carried,) = sqlglot.transpile(
            path.read_text(), read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        assert carried


def test_a_header_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        ViewError, match=r"^sql/cost/bad.sql: the file does not begin with purpose, Grain, Key and Columns"
    ):
        parse("bad", "cost", "select 1")


@pytest.mark.slow
def test_the_committed_tables_have_the_contracts_types(look: Looker) -> None:
    for table in TABLES:
        described = {r["column_name"]: r["column_type"] for r in told(look, f"describe {table.name}")}
        assert described.pop(HIVE_KEY) == "DATE"
        assert described == {
            c.name: TYPES[c.type].replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") for c in table.columns
        }


def test_snapshots_tell_what_each_window_holds(look: Looker) -> None:
    rows = told(look, "from snapshots order by window_start")
    assert [(r["targets"], r["targets_seen"], r["targets_complete"], r["builders"]) for r in rows] == [
        (2, 2, 2, 3),
        (2, 2, 2, 2),
        (2, 1, 1, 1),
        (2, 1, 0, 1),
    ]
    assert (rows[0]["window_start"], rows[0]["window_end"]) == (NOON - NOON_HOURS, NOON - NOON_HOURS + DAY)


NOON_HOURS = timedelta(hours=12)


def test_current_is_the_newest_complete_look_refreshed_by_later_ones(look: Looker) -> None:
    rows = told(look, "from image_builders_current order by name")
    shown = ("name", "state", "observed_at", "last_look_at", "last_look_status", "is_last_look_failed")
    assert [tuple(r[k] for k in shown) for r in rows] == [
        # Seen last on the second day; since then its region could not be looked at.
        ("abroad", "RUNNING", NOON + DAY, NOON + 3 * DAY, "denied", True),
        # A look narrowed by names adds, and proves nothing of the others.
        ("comes", "RUNNING", NOON + 3 * DAY, NOON + 3 * DAY, "ok", False),
        ("stays", "STOPPED", NOON + 2 * DAY, NOON + 3 * DAY, "ok", False),
    ]


def test_the_children_of_current_builders_are_those_of_the_same_look(look: Looker) -> None:
    rows = told(
        look, "select split_part(arn, '/', 2) as name, subnet_id from image_builder_subnets_current order by all"
    )
    assert [(r["name"], r["subnet_id"]) for r in rows] == [("abroad", "s2"), ("stays", "s1"), ("stays", "s3")]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NOON - timedelta(seconds=1), []),
        (NOON, [("abroad", "RUNNING"), ("goes", "RUNNING"), ("stays", "RUNNING")]),
        (NOON + DAY - timedelta(seconds=1), [("abroad", "RUNNING"), ("goes", "RUNNING"), ("stays", "RUNNING")]),
        (NOON + DAY, [("abroad", "RUNNING"), ("stays", "STOPPED")]),
        (NOON + 2 * DAY, [("abroad", "RUNNING"), ("stays", "STOPPED")]),
        (NOON + 4 * DAY, [("abroad", "RUNNING"), ("comes", "RUNNING"), ("stays", "STOPPED")]),
    ],
)
def test_as_of_a_moment_is_what_was_known_then(moment: Any, expected: list[tuple[str, str]], look: Looker) -> None:
    rows = told(look, f"select name, state from image_builders_as_of(timestamptz '{moment}') order by name")
    assert [(r["name"], r["state"]) for r in rows] == expected


def test_as_of_knows_of_no_failure_that_came_later(look: Looker) -> None:
    (row,) = told(look, f"from image_builders_as_of(timestamptz '{NOON + DAY}') where name = 'abroad'")
    assert (row["last_look_status"], row["is_last_look_failed"]) == ("ok", False)


def test_coverage_tells_of_every_target_ever_looked_at(look: Looker) -> None:
    eu, us = told(look, "from coverage order by region")
    assert (eu["last_status"], eu["last_look_at"]) == ("denied", NOON + 3 * DAY)
    assert (eu["last_success_at"], eu["last_complete_at"]) == (NOON + DAY, NOON + DAY)
    assert eu["last_error_code"] == "AccessDeniedException"
    assert (eu["builders"], eu["windows_seen"]) == (1, 2)
    assert (us["last_status"], us["last_success_at"], us["last_complete_at"]) == ("ok", NOON + 3 * DAY, NOON + 2 * DAY)
    assert (us["windows_seen"], us["last_error_code"]) == (4, None)


def test_a_gap_is_a_window_without_a_look_as_much_as_one_with_a_failed_one(looker: Callable[..., Looker]) -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    look = looker(builder("a"))
    for days in (5, 4, 1):  # Windows 3 and 2 days ago were missed, and so far today's.
        look.sandbox.clock.set(now - timedelta(days=days))
        look.publish()
    (row,) = told(look, "from coverage")
    assert (row["windows"], row["windows_seen"], row["gaps"]) == (6, 3, 3)
    assert row["hours_since_success"] in (24, 25)


def test_a_cadence_that_changes_makes_no_gaps_in_what_was_before(looker: Callable[..., Looker]) -> None:
    from datetime import UTC, datetime

    today = datetime.now(UTC).replace(hour=0, minute=0, second=1)
    look = looker(builder("a"))
    for days in (4, 3, 1):
        look.sandbox.clock.set(today - timedelta(days=days))
        look.publish()
    look.cadence = "hourly"
    look.sandbox.clock.set(today)
    look.publish()
    look.sandbox.clock.set(None)
    look.publish()
    hour = datetime.now(UTC).hour
    (row,) = told(look, "from coverage")
    assert row["windows_seen"] == 4 + (hour > 0)
    assert row["windows"] == 4 + hour + 1, "three days and the gap of one, then every hour of today"
    assert row["gaps"] == 1 + max(0, hour - 1)


def test_a_later_failure_in_the_window_is_the_last_look(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    look.sandbox.clock.set(NOON + timedelta(hours=1))
    look.sandbox.appstream.faults.append(Fault("deny"))
    look.publish()
    (row,) = told(look, "from coverage")
    assert (row["last_status"], row["last_look_at"], row["last_success_at"]) == (
        "denied",
        NOON + timedelta(hours=1),
        NOON,
    )
    (row,) = told(look, "from image_builders_current")
    assert (row["is_last_look_failed"], row["last_look_status"], row["observed_at"]) == (True, "denied", NOON)
    (row,) = told(look, f"from image_builders_as_of(timestamptz '{NOON}')")
    assert (row["is_last_look_failed"], row["last_look_at"]) == (False, NOON)


def test_who_asks_from_elsewhere_is_told_moments_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Warehouse(str(tmp_path), grace=0.0)
    replay.replay(home, NOON + 8 * HOUR, {"us-east-1": Look([])})
    asked = "select cast(observed_at as varchar), day(observed_at), current_setting('TimeZone') from looks"
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        rows = [tuple(row.values()) for row in views.query(home, asked).to_pylist()]
        with duckdb.connect() as connection:
            assert connection.sql("select current_setting('TimeZone')").fetchall() == [("Asia/Kolkata",)]
            for statement in engines.script("duckdb", home):
                connection.execute(statement)
            rows += connection.sql(asked).fetchall()
    time.tzset()
    assert rows == [("2026-11-23 20:00:00+00", 23, "UTC")] * 2


def test_an_answer_does_not_depend_on_the_sessions_time_zone(look: Looker) -> None:
    views.build(look.warehouse)
    days = []
    for zone in ("UTC", "Asia/Kolkata", "Pacific/Auckland", "America/Los_Angeles"):
        with duckdb.connect(f"{look.warehouse.location}/image_builders.duckdb", read_only=True) as connection:
            connection.execute(f"set TimeZone = '{zone}'")
            query = "select snapshot_date::varchar, windows, gaps from coverage, snapshots order by all"
            days.append(connection.execute(query).fetchall())
    assert days[1:] == days[:1] * 3


def test_as_of_the_end_of_time_is_current(look: Looker) -> None:
    current = told(look, "from image_builders_current order by arn")
    assert told(look, "from image_builders_as_of(timestamptz '9999-01-01') order by arn") == current


def test_comments_tell_what_views_and_columns_are(look: Looker) -> None:
    views.build(look.warehouse)
    with duckdb.connect(f"{look.warehouse.location}/image_builders.duckdb", read_only=True) as connection:
        uncommented = connection.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'main' and not internal "
            "and comment is null union all select view_name, null from duckdb_views() where schema_name = 'main' "
            "and not internal and comment is null"
        ).fetchall()
    assert uncommented == []


def test_wrong_sql_is_duckdbs_own_words(look: Looker) -> None:
    with pytest.raises(QueryError, match="image_buildrs"):
        views.query(look.warehouse, "from image_buildrs")


def test_views_of_a_warehouse_that_was_moved_are_made_anew(look: Looker, tmp_path: Path) -> None:
    from pipeline.warehouse import Warehouse

    views.build(look.warehouse)
    Path(look.warehouse.location).rename(tmp_path / "elsewhere")
    assert views.query(Warehouse(str(tmp_path / "elsewhere"), grace=0.0), "from snapshots").num_rows == 4


def test_a_person_with_the_file_open_blocks_no_run_and_sees_the_new_snapshot(looker: Callable[..., Looker]) -> None:
    look = looker(builder("old"))
    look.publish()
    database = views.build(look.warehouse)
    script = (
        "import sys, duckdb\n"
        "with duckdb.connect(sys.argv[1], read_only=True) as connection:\n"
        "    for _ in sys.stdin:\n"
        "        print(connection.sql('select name from image_builders_current').fetchall(), flush=True)"
    )
    command = [sys.executable, "-c", script, database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as person:
        assert person.stdin
        assert person.stdout

        def ask() -> str:
            assert person.stdin
            assert person.stdout
            person.stdin.write("?\n")
            return person.stdout.readline()

        assert ask() == "[('old',)]\n"
        estate_of(look)[ACCOUNT, "us-east-1"] = [builder("new")]
        look.publish()
        views.build(look.warehouse)
        assert ask() == "[('new',)]\n"
        person.stdin.close()
    assert person.returncode == 0
    assert [r["name"] for r in told(look, "from image_builders_current")] == ["new"]


READER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print("ready", flush=True)
    while True:
        for number, question in enumerate(sys.argv[2:]):
            try:
                print(number, connection.sql(question).fetchall()[0][0], flush=True)
            except duckdb.IOException as error:
                # A superseded file went between being listed and being opened: no answer, and no wrong one.
                assert "Cannot open file" in str(error) or "No such file" in str(error), error
"""


def test_a_file_that_has_these_views_is_left_as_it_is(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    path = Path(views.build(look.warehouse))
    before = path.stat()
    look.sandbox.clock.advance(DAY)
    look.publish()
    assert views.build(look.warehouse) == str(path)
    assert path.stat().st_ino == before.st_ino
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.sql("select count(*) from extracts").fetchall() == [(2,)]
    rules = replace(read_rules(), owner_tags=("team",))
    views.build(look.warehouse, views.Settings(rules=rules))
    assert path.stat().st_ino != before.st_ino
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.sql("select tag_key from owner_tags").fetchall() == [("team",)]
    path.write_bytes(b"not a database")
    views.build(look.warehouse)
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.sql("select count(*) from extracts").fetchall() == [(2,)]


@pytest.mark.slow
def test_readers_see_whole_snapshots_while_they_are_replaced(looker: Callable[..., Looker]) -> None:
    look = looker(*(builder(f"b{i}", VpcConfig={"SubnetIds": ["s"]}) for i in range(3)))
    look.warehouse.grace = 0.5
    look.publish()
    questions = [
        "select count(*) from image_builders",
        "select count(*) from image_builders_current",
        "select count(*) from image_builder_subnets_current",
        "select count(*) from image_builders_as_of('9999-01-01'::timestamptz)",
        "select count(*) from image_builder_history",
        "select count(*) from image_builder_changes",
        "select count(*) from running_spans",
        "select sum(builders) from extracts",
    ]
    assert answers_while_replaced(look, *questions, times=12) == {question: {"3"} for question in questions}


@pytest.mark.slow
def test_changes_of_lists_are_whole_while_a_window_is_replaced(looker: Callable[..., Looker]) -> None:
    look = looker(*(builder(f"b{i}", VpcConfig={"SubnetIds": ["s"]}) for i in range(3)))
    look.warehouse.grace = 0.5
    look.publish()
    look.sandbox.clock.advance(DAY)
    estate_of(look)[ACCOUNT, "us-east-1"] = [builder(f"b{i}", VpcConfig={"SubnetIds": ["t"]}) for i in range(3)]
    look.publish()
    changes = "select count(*) from image_builder_changes where field = 'subnet_ids' and from_value = 's'"
    assert answers_while_replaced(look, changes) == {changes: {"3"}}


def answers_while_replaced(look: Looker, *questions: str, times: int = 8) -> dict[str, set[str]]:
    """What another process is told, question by question, while the newest window is published again and again."""
    database = views.build(look.warehouse)
    command = [sys.executable, "-c", READER, database, *questions]
    lines: list[str] = []

    def told_of() -> list[list[str]]:
        """The answers to each question so far."""
        words = [line.split() for line in lines if " " in line]
        return [[value for number, value in words if number == str(n)] for n in range(len(questions))]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        gathering = threading.Thread(target=lambda: lines.extend(reader.stdout or ()))
        gathering.start()
        published = 0
        while published < times or (min(map(len, told_of())) < 10 and published < 100):
            look.publish()
            published += 1
        is_reading = reader.poll() is None
        reader.kill()
        gathering.join()
    assert is_reading
    assert min(map(len, told_of())) >= 10
    return {question: set(found) for question, found in zip(questions, told_of(), strict=True)}


@pytest.mark.slow
def test_a_question_is_put_again_when_a_file_goes_while_it_is_answered(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.warehouse.grace = 0.1
    look.publish()
    views.build(look.warehouse)
    publishing = threading.Thread(target=lambda: [look.publish() for _ in range(10)])
    publishing.start()
    asked = 0
    while publishing.is_alive():
        assert told(look, "select name from image_builders") == [{"name": "a"}]
        asked += 1
    publishing.join()
    assert asked > 20


def rows_of_everything(home: Warehouse) -> dict[str, list[str]]:
    names = (*(t.name for t in TABLES), *(view.name for view in views_of_files() if not view.parameters))
    with views.connect(home) as connection:
        return {
            name: sorted(map(repr, connection.sql(f"from {name}").fetchall())) for name in names if name != "coverage"
        }


@pytest.mark.slow
@pytest.mark.parametrize(
    "above", ["account_id=999/region=eu-central-1/wh", "snapshot_date=2020-01-01/state=GONE", "snapshot_id=x/b=1/[a]*"]
)
def test_a_folders_name_changes_no_value(above: str, look: Looker, tmp_path: Path) -> None:
    moved = tmp_path / above
    shutil.copytree(look.warehouse.location, moved)
    assert rows_of_everything(Warehouse(str(moved))) == rows_of_everything(look.warehouse)
    views.build(Warehouse(str(moved)))
    with duckdb.connect(str(moved / "image_builders.duckdb"), read_only=True) as connection:
        assert connection.sql("select distinct region from image_builders").fetchall() != [("eu-central-1",)]


@pytest.mark.slow
def test_foreign_files_mean_nothing(look: Looker) -> None:
    home = Path(look.warehouse.location)
    before = rows_of_everything(look.warehouse)
    ids = look.warehouse.snapshots(), look.warehouse.newest()
    for table in TABLES:
        folder = sorted((home / table.name).iterdir())[-1]
        (file,) = folder.glob("*.parquet")
        shutil.copy(file, folder / f"{file.stem} (copy).parquet")
        shutil.copy(file, folder / f"{file.stem}-copy.parquet")
        for place in (home / table.name, folder):
            (place / ".DS_Store").write_bytes(b"\0")
            (place / "notes.txt").write_text("ours")
            (place / "zz.parquet").write_text("no Parquet")
    (home / "_checkpoints").mkdir()
    (home / "_checkpoints" / ".DS_Store").write_bytes(b"\0")
    (home / "_checkpoints" / "notes.txt").write_text("ours")
    assert rows_of_everything(look.warehouse) == before
    assert (look.warehouse.snapshots(), look.warehouse.newest()) == ids
    tend(look.warehouse, NOON + 40 * DAY)
    look.sandbox.clock.set(NOON + 40 * DAY)
    look.publish("us-east-1", "eu-west-1")


@pytest.mark.parametrize("table", ["image_builders", "image_builder_subnets"])
def test_a_file_that_is_gone_is_told_and_not_a_smaller_number(table: str, look: Looker) -> None:
    *_, file = sorted(Path(look.warehouse.location, table).glob("*/*.parquet"))
    file.unlink()
    view = {"image_builders": "image_builders_current", "image_builder_subnets": "image_builder_subnets_current"}[table]
    with pytest.raises(WarehouseError, match="is damaged"):
        views.query(look.warehouse, f"select count(*) from raw.{table}")
    with pytest.raises(
        WarehouseError, match=f"is damaged: {table}/snapshot_date=2026-11-26/{file.name}, which belongs"
    ):
        views.query(look.warehouse, f"select count(*) from {view}")
    views.query(look.warehouse, "from snapshots")


def test_which_configuration_holds_goes_by_when_a_run_planned(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path), grace=0.0)
    both = {"us-east-1": Look([builder("a")]), "eu-west-1": Look([builder("z", "eu-west-1")])}
    replay.replay(home, NOON - DAY / 4, both, "hourly")
    replay.replay(home, NOON, {"us-east-1": Look([builder("a")])}, "daily")  # Its window is older, its plan newer.
    assert views.query(home, "select name from image_builders_current")["name"].to_pylist() == ["a"]
    then = NOON - DAY / 8
    for moment, names in ((NOON, ["a"]), (then, ["a", "z"])):
        sql = f"select name from image_builders_as_of(timestamptz '{moment}') order by name"
        assert views.query(home, sql)["name"].to_pylist() == names
    sql = "select region, is_configured from coverage order by region"
    assert [tuple(r.values()) for r in views.query(home, sql).to_pylist()] == [
        ("eu-west-1", False),
        ("us-east-1", True),
    ]


def test_one_connection_serves_all_questions_until_files_have_come(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    connections: list[duckdb.DuckDBPyConnection] = []

    def names(connection: duckdb.DuckDBPyConnection) -> list[str]:
        connections.append(connection)
        return [name for (name,) in connection.sql("select name from image_builders_current order by 1").fetchall()]

    with views.Answers(look.warehouse) as answers:
        assert answers.of_now().ask(names) == answers.of_now().ask(names) == ["a"]
        estate_of(look)[ACCOUNT, "us-east-1"].append(builder("b"))
        look.publish()
        assert answers.of_now().ask(names) == ["a", "b"]
    assert connections[0] is connections[1] is not connections[2]


def test_a_question_loads_neither_what_publishes_nor_what_folds(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    script = (
        "import sys; from pipeline.views import query; from pipeline.warehouse import Warehouse; "
        "query(Warehouse(sys.argv[1]), 'select name from image_builders_current'); print(*sys.modules)"
    )
    command = [sys.executable, "-c", script, look.warehouse.location]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "pipeline.views.asking" in loaded
    others = {"boto3", "botocore", "rich", "sqlglot", "pyarrow.compute"}
    others |= {"pipeline.warehouse.publish", "pipeline.warehouse.upkeep", "pipeline.views.folding"}
    assert others & set(loaded) == set()
