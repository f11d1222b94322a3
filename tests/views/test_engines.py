"""Spark over the same files: every view tells the same rows as DuckDB. Needs Java, which `make test` installs."""

import os
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.views import engines
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay
from tests.support.replay import Look

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
        session.sql(statement)
        # Its rows take the place of each view once it is made: Spark would plan all that it reads again and again.
        made = re.match(r"create or replace view (\w+) as", statement)
        if made and "CURRENT_TIMESTAMP" not in statement:  # What goes by the clock is asked when it is compared.
            session.sql(f"create table kept using parquet as select * from {made[1]}")
            session.sql(f"drop view {made[1]}")
            session.sql(f"alter table kept rename to {made[1]}")
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


def test_a_statement_for_every_view_and_none_is_lost_on_the_way(home: Warehouse) -> None:
    dialects: tuple[engines.Dialect, ...] = ("spark", "trino")
    for dialect in dialects:
        made = "\n".join(engines.script(dialect, home))
        for view in VIEWS:
            assert (f" {view.name} as" in made) is not bool(view.parameters)


def test_before_prices_are_known_their_table_is_empty_and_there(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "warehouse"), grace=0.0)
    replay.replay(home, NOON - timedelta(days=1), {"us-east-1": Look([builder("a")])})
    dialects: tuple[engines.Dialect, ...] = ("spark", "trino")
    for dialect in dialects:
        (made,) = [s for s in engines.script(dialect, home) if "raw.instance_prices" in s and "create" in s][:1]
        assert made.startswith("create or replace view raw.instance_prices")
        assert made.endswith("where false")
