"""The views for other engines over the same files: a script of statements in Spark's or Trino's SQL.

sqlglot translates the SQL; how an engine declares tables over Parquet files is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import sqlglot

from pipeline import contract
from pipeline.contract import HIVE_KEY, PRICES, TABLES
from pipeline.views.catalogue import all_views
from pipeline.views.settings_views import Settings
from pipeline.warehouse import Warehouse
from pipeline.warehouse.scan import RECENT, quoted

Dialect = Literal["spark", "trino"]

_TYPES = {
    "spark": {
        pa.string(): "string",
        pa.bool_(): "boolean",
        pa.int64(): "bigint",
        pa.int32(): "int",
        pa.float64(): "double",
        contract.MOMENT: "timestamp",
    },
    "trino": {
        pa.string(): "varchar",
        pa.bool_(): "boolean",
        pa.int64(): "bigint",
        pa.int32(): "integer",
        pa.float64(): "double",
        contract.MOMENT: "timestamp(6) with time zone",
    },
}


def script(dialect: Dialect, warehouse: Warehouse, settings: Settings | None = None) -> list[str]:
    """The statements that create every view over a warehouse, in order, without semicolons.

    The raw tables go to the schema `raw`, the views to the current one. Sessions must be in UTC. Views with a
    parameter become table functions in Spark (4.0 or later); Trino has no such functions, so they are left out there.
    """
    statements = list(_raw(dialect, warehouse))
    for name, recent in RECENT.items():
        statements.append(f"create or replace view raw.{recent} as\nselect * from raw.{name}")
    for view in all_views(settings):
        translated = translate(view.query, dialect)
        if not view.parameters:
            statements.append(f"create or replace view {view.name} as\n{translated}")
        elif dialect == "spark":
            parameters = ", ".join(f"{name} timestamp" for name in view.parameters)
            statements.append(
                f"create or replace function {view.name}({parameters})\nreturns table\nreturn {translated}"
            )
    return statements


def translate(query: str, dialect: Dialect) -> str:
    """A DuckDB query in another dialect. Raises sqlglot's UnsupportedError rather than change its meaning."""
    (translated,) = sqlglot.transpile(
        query, read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, pretty=True
    )
    return translated


def _raw(dialect: Dialect, warehouse: Warehouse) -> Iterator[str]:
    holdings = warehouse.holdings()
    yield f"create {'database' if dialect == 'spark' else 'schema'} if not exists raw"
    for table in (*TABLES, PRICES):
        columns = ",\n".join(f"    {c.name} {_TYPES[dialect][c.type]}" for c in table.columns)
        place = quoted(f"{warehouse.location}/{table.name}")
        if not (holdings.prices if table is PRICES else holdings.names(table)):
            nothing = ",\n".join(f"    cast(null as {_TYPES[dialect][c.type]}) as {c.name}" for c in table.columns)
            nothing += f",\n    cast(null as date) as {HIVE_KEY}"
            yield f"create or replace view raw.{table.name} as\nselect\n{nothing}\nwhere false"
        elif dialect == "spark":
            yield (
                f"create table if not exists raw.{table.name} (\n{columns},\n    {HIVE_KEY} date\n)\nusing parquet\n"
                f"partitioned by ({HIVE_KEY})\nlocation {place}"
            )
            yield f"msck repair table raw.{table.name}"
        else:
            yield (
                f"create table if not exists raw.{table.name} (\n{columns},\n    {HIVE_KEY} date\n)\nwith (\n"
                f"    format = 'PARQUET',\n    external_location = {place},\n"
                f"    partitioned_by = array['{HIVE_KEY}']\n)"
            )
            yield f"call system.sync_partition_metadata('raw', '{table.name}', 'FULL')"
