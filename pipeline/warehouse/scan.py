"""DuckDB's way into a warehouse: a connection that can read its files, and a query for each raw table.

Every scan gives DuckDB the contract's types, whatever the files or the path would suggest. The views over these scans
are `views`' subject.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.contract import EXTRACTS, HIVE_KEY, PRICES, TABLES, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.s3_storage import ObjectStorage
from pipeline.warehouse.snapshot_ids import FILE_PATTERN, PRICES_PATTERN
from pipeline.warehouse.warehouse import CHECKPOINTS, Warehouse

RECENT = "recent_extracts"
"""The raw table of the commits that `image_builders_current` still depends on."""

TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
    contract.MOMENT: "TIMESTAMPTZ",
}
"""DuckDB's types, by Arrow's."""

_ATTEMPTS = 3

Answer = TypeVar("Answer")


def open_connection(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """An in-memory database in UTC that can read the warehouse's files, wherever they are."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    if isinstance(warehouse.storage, ObjectStorage):
        _register(connection, warehouse.storage)
    return connection


def raw_scans(warehouse: Warehouse, names: set[str] | None = None) -> dict[str, str]:
    """The queries of the raw tables by name: all of them, or those that are named and what they read."""
    if names is not None and RECENT in names:
        names = names | {EXTRACTS.name}
    tables = [table for table in (*TABLES, PRICES) if names is None or table.name in names]
    scans = {table.name: _scan(table, warehouse) for table in tables}
    if names is None or RECENT in names:
        scans[RECENT] = _recent(warehouse)
    return scans


def empty_scan(name: str) -> str:
    """A query of no rows with the columns of a raw table, for what needs to know the types and not the files."""
    table = next((t for t in (*TABLES, PRICES) if t.name == name), EXTRACTS)  # RECENT has the columns of EXTRACTS.
    columns = ", ".join(_typed(c, frozenset()) for c in table.columns)
    return f"select {columns}, null::DATE as {HIVE_KEY} where false"


def committed_extracts(raw: str = EXTRACTS.name) -> str:
    """A query of the rows of a raw table of commits that belong to the newest snapshot of their window."""
    names = ", ".join(f"ranked.{name}" for name in (*(c.name for c in EXTRACTS.columns), HIVE_KEY))
    return (
        f"select {names}\nfrom (\n    select *, dense_rank() over (\n        partition by window_start, "
        f"window_end order by snapshot_id desc\n    ) as age\n    from raw.{raw}\n) as ranked\nwhere age = 1"
    )


def committed_rows(table: Table) -> str:
    """A query of the rows of a data table that belong to the newest snapshot of their window.

    Files come and go while they are read. So that no answer is made of two moments, it lists the commits once, before
    anything else: the rows of a commit are there before it is, and for a while after it is superseded. (Not by a window
    function over an aggregate: DuckDB 2.0 turns that into a self-join, which lists them twice.)
    """
    return (
        f"select r.*\nfrom (\n    select max(snapshot_id) as snapshot_id\n    from raw.{EXTRACTS.name}\n"
        f"    group by window_start, window_end\n) as committed\njoin raw.{table.name} as r "
        "on r.snapshot_id = committed.snapshot_id"
    )


def retry_missing_file(ask: Callable[[], Answer], error: type[Exception]) -> Answer:
    """The answer; asked for again when a superseded file was removed between being listed and being opened.

    `error` is what a missing file raises; it is raised when that does not help.
    """
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(error):
            return ask()
    return ask()


def quoted(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_words(error: Exception) -> str:
    """What an error says, without the excerpt of the SQL that DuckDB puts below it."""
    return " ".join(str(error).partition("\n\n")[0].split()).rstrip(".")


def _scan(table: Table, warehouse: Warehouse) -> str:
    ends = [_column_names(table, warehouse, newest) for newest in (False, True)]
    existing = frozenset.union(*ends)
    if not existing:  # DuckDB fails on a glob that matches no file.
        return empty_scan(table.name)
    columns = ", ".join(_typed(c, existing) for c in table.columns)
    name = PRICES_PATTERN if table is PRICES else FILE_PATTERN
    pattern = _pattern(warehouse, f"{table.name}/{HIVE_KEY}=*/{name}")
    # With union_by_name DuckDB opens every file before it reads one, and can skip none: only where columns were added.
    by_name = "" if ends[0] >= existing else "union_by_name = true, "
    if "=" in warehouse.location:
        # DuckDB takes every key=value folder of the whole path for a Hive key, and lets it win over the file's column.
        return (
            f"select {columns}, regexp_extract(filename, '{HIVE_KEY}=([0-9-]+)/[^/]*$', 1)::DATE as {HIVE_KEY} "
            f"from read_parquet({pattern}, {by_name}hive_partitioning = false, filename = true)"
        )
    return (
        f"select {columns}, {HIVE_KEY} from read_parquet({pattern}, {by_name}"
        f"hive_partitioning = true, hive_types = {{'{HIVE_KEY}': DATE}})"
    )


def _recent(warehouse: Warehouse) -> str:
    """The newest checkpoint and the commits of the days after it; all commits where there is no checkpoint."""
    checkpoints = warehouse.checkpoints()
    if not checkpoints:
        return f"select * from raw.{EXTRACTS.name}"
    with warehouse.storage.open(checkpoints[-1]) as source:
        existing = frozenset(pq.read_schema(source).names)
    columns = ", ".join(_typed(c, existing) for c in EXTRACTS.columns)
    pattern = _pattern(warehouse, f"{CHECKPOINTS}/[0-9]*-[0-9]*T*[0-9].parquet")
    # The checkpoints are listed once: the newest one's rows and the day that it reaches to must be of the same file.
    return (
        f"with checkpoint as (select {columns}, {HIVE_KEY}::DATE as {HIVE_KEY}, filename, max(filename) over () as "
        f"newest from read_parquet({pattern}, union_by_name = true, filename = true, hive_partitioning = false)) "
        f"select {', '.join(c.name for c in EXTRACTS.columns)}, {HIVE_KEY} from checkpoint where filename = newest "
        f"union all select * from raw.{EXTRACTS.name} where {HIVE_KEY} > (select max(regexp_extract(newest, "
        "'([0-9]{4}-[0-9]{2}-[0-9]{2})-[0-9T]+.parquet$', 1)::DATE) from checkpoint)"
    )


def _typed(column: contract.Column, existing: frozenset[str]) -> str:
    return f"{column.name if column.name in existing else 'null'}::{TYPES[column.type]} as {column.name}"


def _pattern(warehouse: Warehouse, pattern: str) -> str:
    literal = re.sub(r"([*?\[])", r"[\1]", warehouse.location)
    return quoted(f"{literal}/{pattern}")


def _column_names(table: Table, warehouse: Warehouse, newest: bool) -> frozenset[str]:
    """The columns of a table's oldest or newest file; none where there is no file."""

    def read() -> frozenset[str]:
        path = warehouse.oldest_or_newest(table, newest)
        if path is None:
            return frozenset()
        try:
            with warehouse.storage.open(path) as source:
                return frozenset(pq.read_schema(source).names)
        except pa.ArrowInvalid as error:
            raise WarehouseError(
                f"The warehouse {warehouse.location} cannot be read: {path}: {first_words(error)}."
            ) from error

    return retry_missing_file(read, WarehouseError)


def _register(connection: duckdb.DuckDBPyConnection, storage: ObjectStorage) -> None:
    from fsspec.implementations.arrow import ArrowFSWrapper

    class S3(ArrowFSWrapper):  # type: ignore[misc]
        """Arrow's S3 file system under the protocol name that DuckDB asks for."""

        protocol = "s3"

    connection.register_filesystem(S3(storage.files))
