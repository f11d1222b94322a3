"""A question asks and does nothing else: no file beside the warehouse's, no writing, no setting, no extension."""

from collections.abc import Callable
from pathlib import Path

import boto3
import duckdb
import pytest

from pipeline import views
from pipeline.errors import QueryError, QueryTimeoutError
from pipeline.views.permitted import lock, require_question
from pipeline.warehouse import Warehouse
from tests.support import Looker, builder
from tests.support.command import image_builders
from tests.support.store import BUCKET, make_bucket

READS = [
    "select name from image_builders_current",
    "from image_builders_current",
    "table image_builders_current",
    "values (1)",
    "(select 1) union all (select 2)",
    "with n as (select 1 as i) select * from n -- and a comment;",
    "/* first */ select 1;",
    "with recursive t(i) as (select 1 union all select i + 1 from t where i < 3) from t",
    "describe image_builders_current",
    "describe select 1",
    "summarize image_builders_current",
    "show tables",
    "show image_builders_current",
    "explain select 1",
    "explain analyze select name from image_builders_current",
    "-- why\nexplain (format json) select 1",
    "from image_builders_as_of(now())",
    "pivot image_builders_current on state using count(*)",
    "from (pivot image_builders_current on state using count(*))",
    "with n as (from range(3)) pivot n on range using count(*)",
    "unpivot (select 1 as a, 2 as b) on a, b",
    "select unnest([1, 2]), i from generate_series(1, 2) as s(i)",
    "from duckdb_views()",
    "select * from json_each('[1]')",
    "select current_setting('TimeZone')",
    "explain pivot image_builders_current on state using count(*)",
    "summarize (select 1)",
    "explain (select 1)",
    "select " + " + ".join(["1"] * 250),
]

DOES_SOMETHING = [
    "select 1; select 2",
    "select 1; copy (select 1) to '{folder}/x.csv'",
    "copy (select 1) to '{folder}/x.csv'",
    "copy (select 1) to '{warehouse}/extracts/x.parquet'",
    "COPY (pivot (select 1 as a) on a using count(*)) to '{warehouse}/x.csv'",
    "-- from\ncopy (pivot (select 1 as a) on a using count(*)) to '{warehouse}/x.csv'",
    "explain analyze copy (select 1) to '{warehouse}/x.csv'",
    "explain /* ( */ analyze copy (select 1) to '{warehouse}/x.csv'",
    "export database '{folder}/x'",
    "import database '{folder}'",
    "attach '{folder}/x.duckdb'",
    "attach '{warehouse}/x.duckdb'",
    "detach memory",
    "use memory",
    "install httpfs",
    "load httpfs",
    "set threads = 1",
    "reset threads",
    "set variable a = 1",
    "pragma enable_profiling",
    "call pragma_version()",
    "create table t as select 1",
    "create temp table t as select 1",
    "create or replace view coverage as select 1",
    "create secret s (type s3)",
    "create macro m() as 1",
    "drop view coverage",
    "alter view coverage rename to c",
    "comment on view coverage is 'mine'",
    "insert into image_builders_current (name) values ('x')",
    "with x as (insert into t values (1) returning *) from x",
    "update image_builders_current set name = 'x'",
    "delete from image_builders_current",
    "truncate image_builders_current",
    "prepare p as select 1",
    "execute p",
    "begin",
    "vacuum",
    "analyze",
    "checkpoint",
    "from read_csv('/etc/passwd')",
    "from read_csv_auto('/etc/passwd')",
    "from read_text('/etc/passwd')",
    "from read_blob('/etc/passwd')",
    "from read_json('/etc/passwd')",
    "from read_duckdb('{folder}/x.duckdb')",
    "from sniff_csv('/etc/passwd')",
    "from read_parquet('{folder}/other.parquet')",
    "from read_parquet('{warehouse}/../other.parquet')",
    "from parquet_metadata('{folder}/other.parquet')",
    "from '{folder}/other.parquet'",
    "from '/etc/passwd'",
    "from glob('/root/*')",
    "from glob('{folder}/*')",
    "select * from (select * from read_text('/etc/hostname'))",
    "select (select content from read_text('/etc/hostname'))",
    "select 1 where exists (from read_text('/etc/hostname'))",
    "with t as (from read_text('/etc/hostname')) from t",
    "from read_csv('https://host.example/x.csv')",
    "from read_parquet('s3://other/x.parquet')",
    "from query('select 1')",
    "from json_execute_serialized_sql('x')",
    "from enable_logging('QueryLog', storage='file')",
    "from enable_profiling(save_location='{folder}/p')",
    "from arrow_scan(1, 2, 3)",
    "from force_checkpoint()",
    "from which_secret('s3://x', 's3')",
    "pivot (from read_text('/etc/hostname')) on filename using count(*)",
    "pivot (from range(1) t cross join lateral read_text('/etc/hostname')) on range using count(*)",
    "pivot (from range(1) t cross join lateral read_text('{warehouse}/.x')) on range using count(*)",
    "pivot (from range(1) t cross join lateral query('select 1 as z')) on z using count(*)",
    "pivot (from range(1) t, lateral main.\"read_text\" ('{warehouse}/.x')) on range using count(*)",
    "pivot (from range(1) t cross join lateral truncate_duckdb_logs()) on range using count(*)",
    "with x as (insert into y values (1) returning *) pivot x on a using count(*)",
    "/**/" * 40 + " create table x as from (pivot image_builders_current on state using count(*))",
    "explain create table x as from (pivot image_builders_current on state using count(*))",
    "update extensions",
    "select " + " + ".join(["1"] * 3000),
    "explain from read_text('/etc/hostname')",
    "describe from read_text('/etc/hostname')",
    "summarize from read_text('/etc/hostname')",
    "from secret_of_python",
    "",
    "-- nothing",
    ";",
]
secret_of_python = __import__("pyarrow").table({"a": [1]})


@pytest.fixture
def home(looker: Callable[..., Looker]) -> Warehouse:
    look = looker(builder("a"), builder("b", State="STOPPED"))
    look.publish()
    return look.warehouse


def everything_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def refusal(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    try:
        require_question(connection, sql, {"image_builders_as_of"})
        connection.execute(sql)
    except (QueryError, duckdb.Error) as error:
        return str(error)
    return None


def test_what_reads_is_asked_and_what_does_something_else_is_not(home: Warehouse, tmp_path: Path) -> None:
    views.query(home, f"copy (select 1) to '{tmp_path}/other.parquet'", is_unsafe=True)
    before = everything_below(tmp_path)
    with views.connect(home) as connection:
        lock(connection, home, str(tmp_path / "spill"))
        assert [(sql, told) for sql in READS if (told := refusal(connection, sql))] == []
        given = [sql.format(folder=tmp_path, warehouse=home.location) for sql in DOES_SOMETHING]
        assert [sql for sql in given if refusal(connection, sql) is None] == []
    assert everything_below(tmp_path) == before


def test_each_wall_stands_by_itself(home: Warehouse, tmp_path: Path) -> None:
    """What reaches beyond the warehouse is refused by DuckDB too, should a statement be taken for a question."""
    with views.connect(home) as connection:
        lock(connection, home, str(tmp_path / "spill"))
        beyond = [
            sql for sql in DOES_SOMETHING if any(place in sql for place in ("/etc/", "{folder}", "/root/", "://"))
        ]
        assert len(beyond) > 20
        for sql in beyond:
            given = sql.format(folder=tmp_path, warehouse=home.location)
            with pytest.raises(duckdb.Error):
                connection.execute(given)


def test_the_command_is_as_strict(home: Warehouse) -> None:
    for sql in ("from read_text('/etc/hostname')", "copy (select 1) to 'x.csv'", "select 1; select 2"):
        done = image_builders("query", sql, IMAGE_BUILDERS_WAREHOUSE=home.location)
        assert (done.returncode, done.stdout) == (2, "")
    assert image_builders("query", "--unsafe", "from read_text('/etc/hostname')").returncode == 0


def test_files_of_the_warehouse_may_be_read_by_hand(home: Warehouse) -> None:
    (row,) = views.query(home, f"select count(*) as n from read_parquet('{home.location}/image_builders/*/*.parquet')")[
        "n"
    ].to_pylist()
    assert row == 2


def test_a_warehouse_in_a_bucket_is_asked_and_nothing_else_is(
    looker: Callable[..., Looker],
) -> None:
    look = looker(builder("a"))
    make_bucket(look.sandbox)
    look.warehouse = Warehouse(f"s3://{BUCKET}/wh", grace=0.0)
    look.publish()
    boto3.client("s3").put_object(Bucket=BUCKET, Key="other.parquet", Body=b"PAR1")
    assert views.query(look.warehouse, "select name from image_builders_current")["name"].to_pylist() == ["a"]
    for sql in ("from read_text('/etc/hostname')", f"from read_parquet('s3://{BUCKET}/other.parquet')"):
        with pytest.raises(QueryError):
            views.query(look.warehouse, sql)


def test_who_wants_duckdb_whole_says_so(home: Warehouse, tmp_path: Path) -> None:
    views.query(home, f"set threads = 1; copy image_builders_current to '{tmp_path}/mine.csv'", is_unsafe=True)
    assert len((tmp_path / "mine.csv").read_text().splitlines()) == 3


def test_a_question_ends_with_its_time(home: Warehouse) -> None:
    for is_unsafe in (False, True):
        with pytest.raises(QueryTimeoutError, match=r"longer than 0.2 seconds"):
            views.query(
                home,
                "select sum(a.range * b.range) from range(1000000) a, range(1000000) b",
                None,
                None,
                0.2,
                is_unsafe,
            )
    assert views.query(home, "select 1 as n", timeout=60)["n"].to_pylist() == [1]


def test_what_does_not_fit_into_memory_goes_to_the_temporary_folder(home: Warehouse) -> None:
    (folder,) = views.query(home, "select current_setting('temp_directory') as f")["f"].to_pylist()
    assert not folder.startswith(str(Path.cwd()))
