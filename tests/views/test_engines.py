"""Spark over the same files: every view tells the same rows as DuckDB. Needs Java, which `make test` installs."""

import os
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from pipeline import contract, views
from pipeline.contract import HIVE_KEY, PRICES, TABLES
from pipeline.views import engines
from pipeline.warehouse import Warehouse, keep_prices, upkeep
from tests.support import NOON, StartSandbox, builder, replay
from tests.support.replay import Look
from tests.support.store import BUCKET, make_bucket

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore"),  # pyspark's own, of pandas and of sockets.
]

VIEWS = [view for view in views.all_views() if not view.is_helper]


@pytest.fixture(scope="module")
def home(week: Warehouse) -> Warehouse:
    return week


@pytest.fixture(scope="module")
def spark(home: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    scratch = tmp_path_factory.mktemp("spark")
    before = os.environ.copy()
    os.environ["TZ"] = "UTC"
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        # Of few rows, most of the time would go by planning and compiling.
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.warehouse.dir", str(scratch))
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    for statement in engines.script("spark", home):
        # Nothing that lasts can read what only this session knows.
        session.sql(
            re.sub(r"^create or replace (view|function) (?!raw\.)", r"create or replace temporary \1 ", statement)
        )
        made = re.match(r"create or replace view (\w+) as", statement)
        # Its rows take the place of each view once it is made: Spark would plan all that it reads again and again.
        if made and "CURRENT_TIMESTAMP" not in statement:  # What goes by the clock is asked when it is compared.
            table = session.table(made[1])
            session.createDataFrame(table.toArrow(), table.schema).createOrReplaceTempView(made[1])
    yield session
    session.stop()
    os.environ.clear()
    os.environ.update(before)


def comparable(row: dict[str, Any]) -> tuple[str, ...]:
    def told(value: Any) -> str:
        if isinstance(value, datetime):
            return value.replace(tzinfo=None).isoformat()
        if isinstance(value, float):
            return f"{value:.6f}"
        return value.isoformat() if isinstance(value, date) else str(value)

    return tuple(f"{name}={told(value)}" for name, value in row.items())


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.name)
def test_spark_tells_the_same_rows(view: views.View, spark: Any, home: Warehouse) -> None:
    sql = f"select * from {view.name}" + ("(timestamp '2026-11-21 18:00:00')" if view.parameters else "")
    ours = views.query(home, sql.replace("timestamp '", "timestamptz '")).to_pylist()
    theirs = [row.asDict() for row in spark.sql(sql).collect()]
    assert ours or view.name in ("price_file", "finding_exceptions")
    assert sorted(map(comparable, ours)) == sorted(map(comparable, theirs))


DIALECTS: tuple[engines.Dialect, ...] = ("duckdb", "spark", "trino", "athena")


def test_a_statement_for_every_view_and_none_is_lost_on_the_way(home: Warehouse) -> None:
    for dialect in DIALECTS:
        made = "\n".join(engines.script(dialect, home))
        for view in VIEWS:
            assert (f"view {view.name} as" in made) is not bool(view.parameters), (dialect, view.name)


def test_spark_sees_new_days_joined_ones_and_the_first_prices_when_the_script_runs_again(
    spark: Any, tmp_path: Path
) -> None:
    home = Warehouse(str(tmp_path / "warehouse"), grace=0.0)
    for days, prices in ((2, False), (7, False), (40, True)):
        at = NOON + timedelta(days=days - 1)
        replay.replay(home, at, {"us-east-1": Look([builder("a", CreatedTime=days)])})
        if prices:
            upkeep.tend(home, at)
            keep_prices(home, price_rows(at))
        for statement in engines.script("spark", home):
            if not re.match(r"create or replace (view|function) (?!raw\.)", statement):  # Of the raw tables only.
                spark.sql(statement.replace("raw.", "other.").replace("exists raw", "exists other"))
        told = spark.sql("select cast(snapshot_date as string) as day from other.image_builders order by 1").collect()
        assert [row.day for row in told] == sorted(
            row["day"]
            for row in views.query(home, "select snapshot_date::varchar as day from image_builders").to_pylist()
        )
        assert spark.sql("select * from other.instance_prices").count() == (1 if prices else 0)
    assert [path for path in home.storage.list("image_builders") if "/month-" in path]


def price_rows(at: datetime) -> pa.Table:
    row = dict.fromkeys(c.name for c in PRICES.columns)
    row |= {"snapshot_id": f"{at:%Y%m%dT%H%M%S%f}-0000"}
    of_type = {pa.string(): "x", pa.float64(): 1.0, contract.MOMENT: at, pa.bool_(): True}
    filled = {c.name: row[c.name] or of_type.get(c.type, 1) for c in PRICES.columns}
    return pa.Table.from_pylist([filled], schema=PRICES.schema)


def test_duckdb_by_itself_tells_the_same_rows_however_often_the_script_runs(home: Warehouse) -> None:
    with duckdb.connect() as connection:
        for _ in range(2):
            for statement in engines.script("duckdb", home):
                connection.execute(statement)
        for view in VIEWS:
            if view.parameters or "current_timestamp" in view.query.lower():
                continue
            ours = views.query(home, f"from {view.name}").to_pylist()
            theirs = connection.sql(f"from {view.name}").to_arrow_table().to_pylist()
            assert sorted(map(comparable, ours)) == sorted(map(comparable, theirs)), view.name


def test_in_a_bucket_duckdb_and_spark_are_told_how_to_get_there(start_sandbox: StartSandbox) -> None:
    make_bucket(start_sandbox())
    home = Warehouse(f"s3://{BUCKET}/w", grace=0.0)
    replay.replay(home, NOON, {"us-east-1": Look([builder("a")])})
    statements = engines.script("duckdb", home)
    assert [s.partition("\n")[2] or s for s in statements[:3]] == [
        "install httpfs",
        "load httpfs",
        "create or replace secret warehouse (type s3, provider credential_chain)",
    ]
    assert f"s3://{BUCKET}/w/image_builders/snapshot_date=*/" in "\n".join(statements)
    assert f"location 's3a://{BUCKET}/w/image_builders'" in "\n".join(engines.script("spark", home))
    for dialect in ("trino", "athena"):
        assert f"'s3://{BUCKET}/w/image_builders" in "\n".join(engines.script(dialect, home))


@pytest.mark.parametrize("dialect", ["trino", "athena"])
def test_what_is_not_run_here_is_parsed_and_held_to_the_contract(dialect: engines.Dialect, home: Warehouse) -> None:
    declared: dict[str, list[str]] = {}
    for statement in engines.script(dialect, home):
        parsed = sqlglot.parse_one(statement, dialect=dialect)
        if isinstance(parsed, exp.Command):
            assert statement.startswith("call system.sync_partition_metadata"), statement
        elif isinstance(parsed, exp.Create) and isinstance(parsed.this, exp.Schema):
            declared[parsed.this.this.name] = [c.name for c in parsed.this.expressions if isinstance(c, exp.ColumnDef)]
    for table in (*TABLES, PRICES):
        columns = declared[f"{table.name}{engines.FILES}"]
        assert [name for name in columns if name != HIVE_KEY] == [c.name for c in table.columns]


def test_before_prices_are_known_their_table_is_empty_and_there(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "warehouse"), grace=0.0)
    replay.replay(home, NOON - timedelta(days=1), {"us-east-1": Look([builder("a")])})
    for dialect in ("spark", "trino", "athena"):
        (made,) = [s for s in engines.script(dialect, home) if "raw.instance_prices" in s and "create" in s][:1]
        assert made.startswith("create or replace view raw.instance_prices")
        assert made.endswith("where false")
