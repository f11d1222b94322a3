"""The views for other engines over the same files: a script of statements in the SQL of DuckDB, Spark, Trino or Athena.

sqlglot translates the views; how an engine declares tables over Parquet files is here. A script may be run again at any
time, before and after the first prices: nothing in it fails because it was run before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import sqlglot

from pipeline import contract
from pipeline.contract import HIVE_KEY, PRICES, TABLES, Table
from pipeline.views.catalogue import all_views
from pipeline.views.settings_views import Settings
from pipeline.warehouse import Warehouse
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.raw_tables import lasting_scans
from pipeline.warehouse.scan import RECENT, quoted
from pipeline.warehouse.snapshot_ids import date_sql

Dialect = Literal["duckdb", "spark", "trino", "athena"]

FILES = "_files"
"""The ending of the names of the tables over the files themselves, whose key is the folder's; the raw tables are views
of them that say the day of each row.
"""

_SPARK = {
    pa.string(): "string",
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.float64(): "double",
    contract.MOMENT: "timestamp",
}
_TRINO = {
    pa.string(): "varchar",
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.int32(): "integer",
    pa.float64(): "double",
    contract.MOMENT: "timestamp(6) with time zone",
}
_TYPES = {"spark": _SPARK, "trino": _TRINO, "athena": _TRINO}

_NEW_DAYS = {
    "duckdb": "New days are seen by themselves.",
    "spark": "New days are seen once this script is run again, or its statements `msck repair table`.",
    "trino": "New days are seen once this script is run again, or its calls of sync_partition_metadata.",
    "athena": "New days are seen by themselves: the folders' dates are projected, not listed.",
}


def script(dialect: Dialect, warehouse: Warehouse, settings: Settings | None = None) -> list[str]:
    """The statements that create every view over a warehouse, in order, without semicolons; the first has a comment
    that says what to do about new days.

    The raw tables go to the schema `raw`, the views to the current one. Sessions must be in UTC. Views with a
    parameter become table macros in DuckDB and table functions in Spark (4.0 or later); Trino and Athena have no such
    functions, so they are left out there. Raises NoSnapshotError before the first snapshot.
    """
    holdings = warehouse.holdings()
    if not holdings.commits:
        raise warehouse.no_snapshot()
    raw = _raw_of_duckdb(warehouse, holdings) if dialect == "duckdb" else _raw(dialect, warehouse, holdings)
    statements = list(raw)
    for view in all_views(settings):
        query = view.query if dialect == "duckdb" else translate(view.query, dialect)
        if not view.parameters:
            statements.append(f"create or replace view {view.name} as\n{query}")
        elif dialect == "duckdb":
            statements.append(f"create or replace macro {view.name}({', '.join(view.parameters)}) as table\n{query}")
        elif dialect == "spark":
            parameters = ", ".join(f"{name} timestamp" for name in view.parameters)
            statements.append(f"create or replace function {view.name}({parameters})\nreturns table\nreturn {query}")
    statements[0] = f"-- {_NEW_DAYS[dialect]}\n{statements[0]}"
    return statements


def translate(query: str, dialect: Dialect) -> str:
    """A DuckDB query in another dialect. Raises sqlglot's UnsupportedError rather than change its meaning."""
    (translated,) = sqlglot.transpile(
        query,
        read="duckdb",
        write="trino" if dialect == "athena" else dialect,  # Athena's queries are Trino's.
        unsupported_level=sqlglot.ErrorLevel.RAISE,
        pretty=True,
    )
    return translated


def _raw_of_duckdb(warehouse: Warehouse, holdings: Holdings) -> Iterator[str]:
    if warehouse.location.startswith("s3://"):
        yield "install httpfs"
        yield "load httpfs"
        # Credentials as DuckDB finds them: the environment, the profile, the machine's role.
        yield "create or replace secret warehouse (type s3, provider credential_chain)"
    yield "set TimeZone = 'UTC'"
    yield "create schema if not exists raw"
    for name, scan in lasting_scans(warehouse, holdings).items():
        yield f"create or replace view raw.{name} as\n{scan}"


def _raw(dialect: Dialect, warehouse: Warehouse, holdings: Holdings) -> Iterator[str]:
    yield f"create {'schema' if dialect == 'trino' else 'database'} if not exists raw"
    for table in (*TABLES, PRICES):
        if holdings.prices if table is PRICES else holdings.names(table):
            yield from _over_files(dialect, table, f"{_location(dialect, warehouse)}/{table.name}")
            columns = [_read(dialect, column) for column in table.columns]
            day = HIVE_KEY if table is PRICES else f"{date_sql('snapshot_id')} as {HIVE_KEY}"
            query = f"{_select([*columns, day])}\nfrom raw.{table.name}{FILES}"
            yield f"create or replace view raw.{table.name} as\n{query}"
        else:
            nothing = [f"cast(null as {_TYPES[dialect][c.type]}) as {c.name}" for c in table.columns]
            nothing.append(f"cast(null as date) as {HIVE_KEY}")
            yield f"create or replace view raw.{table.name} as\n{_select(nothing)}\nwhere false"
    for name, recent in RECENT.items():
        yield f"create or replace view raw.{recent} as\nselect * from raw.{name}"


def _select(columns: list[str]) -> str:
    listed = ",\n    ".join(columns)
    return f"select\n    {listed}"


def _location(dialect: Dialect, warehouse: Warehouse) -> str:
    """Spark reads S3 by Hadoop's file system, which calls it s3a."""
    return warehouse.location.replace("s3://", "s3a://", 1) if dialect == "spark" else warehouse.location


def _read(dialect: Dialect, column: contract.Column) -> str:
    """A column as the views expect it: Athena's moments have no zone."""
    if dialect == "athena" and column.type == contract.MOMENT:
        return f"with_timezone(cast({column.name} as timestamp(6)), 'UTC') as {column.name}"
    return column.name


def _over_files(dialect: Dialect, table: Table, place: str) -> Iterator[str]:
    """A table over the files of a folder, partitioned by the folder's key."""
    name = f"{table.name}{FILES}"
    types = _SPARK if dialect == "athena" else _TYPES[dialect]  # Athena declares tables in Hive's SQL.
    columns = ",\n".join(f"    {c.name} {types[c.type]}" for c in table.columns)
    if dialect == "spark":
        yield (
            f"create table if not exists raw.{name} (\n{columns},\n    {HIVE_KEY} date\n)\nusing parquet\n"
            f"partitioned by ({HIVE_KEY})\nlocation {quoted(place)}"
        )
        # Days that were joined are no partitions any more.
        yield f"msck repair table raw.{name} sync partitions"
    elif dialect == "trino":
        yield (
            f"create table if not exists raw.{name} (\n{columns},\n    {HIVE_KEY} date\n)\nwith (\n"
            f"    format = 'PARQUET',\n    external_location = {quoted(place)},\n"
            f"    partitioned_by = array['{HIVE_KEY}']\n)"
        )
        yield f"call system.sync_partition_metadata('raw', '{name}', 'FULL')"
    else:
        yield (
            f"create external table if not exists raw.{name} (\n{columns}\n)\npartitioned by ({HIVE_KEY} date)\n"
            f"stored as parquet\nlocation {quoted(f'{place}/')}\ntblproperties (\n"
            "    'projection.enabled' = 'true',\n"
            f"    'projection.{HIVE_KEY}.type' = 'date',\n"
            f"    'projection.{HIVE_KEY}.format' = 'yyyy-MM-dd',\n"
            f"    'projection.{HIVE_KEY}.range' = '2025-01-01,NOW+1DAYS',\n"
            f"    'storage.location.template' = {quoted(f'{place}/{HIVE_KEY}=${{{HIVE_KEY}}}')}\n)"
        )
