"""DuckDB's way into a warehouse: a connection that can read its files, what is committed in the raw tables, and a
question that is asked again where files were replaced meanwhile.

The queries of the raw tables are in `raw_tables`; the views over them are `views`' subject.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable, Mapping
from typing import TypeVar

import duckdb
import pyarrow as pa

from pipeline import contract
from pipeline.contract import EXTRACTS, HIVE_KEY, PRICES, TABLES, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.storage import FileGoneError
from pipeline.warehouse.warehouse import Warehouse

RECENT = {table.name: f"recent_{table.name}" for table in TABLES}
"""The raw tables of what `image_builders_current` still depends on, by the table whose rows they have some of."""

UNFOLDED = {table.name: f"unfolded_{table.name}" for table in TABLES}
"""The raw tables of the snapshots that are not folded, likewise; see `folds`."""

RAW_TABLES = (*TABLES, PRICES)
"""The tables whose rows are read as they are."""

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

_GONE = re.compile(r"No such file|No files found|does not exist")
"""What DuckDB says where a file is not there."""

Answer = TypeVar("Answer")

_open: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()


def open_connection(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """An in-memory database in UTC that can read the warehouse's files, wherever they are."""
    connection = duckdb.connect()
    _open.add(connection)
    connection.execute("set TimeZone = 'UTC'")
    if warehouse.storage.files is not None:
        connection.register_filesystem(warehouse.storage.files)
    return connection


def interrupt() -> None:
    """Interrupts what is being asked on every connection of this process: each raises duckdb.InterruptException."""
    for connection in tuple(_open):
        with contextlib.suppress(duckdb.Error):  # It may have been closed.
            connection.interrupt()


def empty_scan(name: str) -> str:
    """A query of no rows with the columns of a raw table, for what needs to know the types and not the files."""
    table = next(t for t in RAW_TABLES if name in (t.name, RECENT.get(t.name), UNFOLDED.get(t.name)))
    columns = ", ".join(typed(c, frozenset()) for c in table.columns)
    return f"select {columns}, null::DATE as {HIVE_KEY} where false"


def committed_extracts(raw: str = EXTRACTS.name) -> str:
    """A query of the rows of a raw table of commits that belong to the newest snapshot of their window."""
    names = ", ".join(f"ranked.{name}" for name in (*(c.name for c in EXTRACTS.columns), HIVE_KEY))
    return (
        f"select {names}\nfrom (\n    select *, dense_rank() over (\n        partition by window_start, "
        f"window_end order by snapshot_id desc\n    ) as age\n    from raw.{raw}\n) as ranked\nwhere age = 1"
    )


def committed_rows(table: Table, names: Mapping[str, str] | None = None) -> str:
    """A query of the rows of a data table that belong to the newest snapshot of their window; of raw tables of other
    `names`, by the tables', where those are given.

    Files come and go while they are read. So that no answer is made of two moments, it lists the commits once, before
    anything else: the rows of a commit are there before it is, and for a while after it is superseded. (Not by a window
    function over an aggregate: DuckDB 2.0 turns that into a self-join, which lists them twice.)
    """
    extracts, rows = ((names or {}).get(name, name) for name in (EXTRACTS.name, table.name))
    return (
        f"select r.*\nfrom (\n    select max(snapshot_id) as snapshot_id\n    from raw.{extracts}\n"
        f"    group by window_start, window_end\n) as committed\njoin raw.{rows} as r "
        "on r.snapshot_id = committed.snapshot_id"
    )


def answer(warehouse: Warehouse, ask: Callable[[], Answer]) -> Answer:
    """What `ask` tells of a warehouse by DuckDB; asked for again when a file was removed between being listed and being
    opened, because a later snapshot or a joined file has taken its place.

    Raises WarehouseError where the store could not be read; other errors of DuckDB's as they are.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return ask()
        except duckdb.Error as error:
            failure = _failure_of(warehouse, error)
            if failure is None:
                raise
            if not isinstance(failure, FileGoneError) or attempt + 1 == _ATTEMPTS:
                raise failure from error
        except FileGoneError:
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _failure_of(warehouse: Warehouse, error: duckdb.Error) -> WarehouseError | None:
    """What kept DuckDB from reading the warehouse's files; None for an error of another kind."""
    files = warehouse.storage.files
    if files is not None:
        failure, files.failure = files.failure, None
        return failure
    if isinstance(error, duckdb.IOException) and warehouse.location in str(error) and _GONE.search(str(error)):
        return FileGoneError(f"The warehouse {warehouse.location} cannot be read: {first_words(error)}.")
    return None


def forget_failure(warehouse: Warehouse) -> None:
    """Forgets what kept DuckDB from reading a file, where the question is answered without it."""
    if warehouse.storage.files is not None:
        warehouse.storage.files.failure = None


def quoted(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_words(error: Exception) -> str:
    """What an error says, without the excerpt of the SQL that DuckDB puts below it."""
    return " ".join(str(error).partition("\n\n")[0].split()).rstrip(".")


def typed(column: contract.Column, existing: frozenset[str]) -> str:
    return f"{column.name if column.name in existing else 'null'}::{TYPES[column.type]} as {column.name}"
