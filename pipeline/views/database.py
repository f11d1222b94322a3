"""The database of views over a warehouse: built as a file, opened, asked.

It holds views and no data, so it can be thrown away and built again at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.contract import TABLES, Table
from pipeline.errors import QueryError, WarehouseError
from pipeline.views.catalogue import catalogue
from pipeline.views.dependencies import RAW, in_order, reads_of, with_sources
from pipeline.views.settings_views import Settings
from pipeline.views.view import View
from pipeline.warehouse import Warehouse
from pipeline.warehouse.inventory import require_files
from pipeline.warehouse.s3_storage import ObjectStorage
from pipeline.warehouse.scan import (
    empty_scan,
    first_words,
    open_connection,
    quoted,
    raw_scans,
    retry_missing_file,
)
from pipeline.warehouse.storage import SCRATCH

DATABASE = "image_builders.duckdb"
"""The file of the views, in the warehouse's folder."""

STORAGE_VERSION = "v1.0.0"
"""DuckDB's oldest stable file format, so that older command lines open the file too: tried with 1.1.3."""


def build(warehouse: Warehouse, settings: Settings | None = None) -> str:
    """Writes the file of views beside its place and swaps it in whole; returns its path.

    On an object store there is no such file, because DuckDB would need credentials of its own: `connect` creates the
    views in memory, and this returns "". Raises NoSnapshotError before the first snapshot.
    """
    warehouse.require_snapshot()
    if isinstance(warehouse.storage, ObjectStorage):
        return ""
    folder = Path(warehouse.location)
    target = folder / DATABASE
    fresh = folder / SCRATCH / f"{os.getpid()}-{DATABASE}"
    try:
        fresh.parent.mkdir(exist_ok=True)
        fresh.unlink(missing_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"attach {quoted(str(fresh))} as views (storage_version {quoted(STORAGE_VERSION)})")
            connection.execute("use views")
            create(connection, warehouse, settings)
            connection.execute("use memory; detach views")
        fresh.replace(target)
    except (OSError, duckdb.Error) as error:
        raise WarehouseError(f"The views {target} cannot be written: {first_words(error)}.") from error
    return str(target)


def connect(
    warehouse: Warehouse, settings: Settings | None = None, names: Iterable[str] | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection, in UTC, on which every view exists; or the named ones, with all that they read.

    It opens the file of views where that is up to date, else creates the views in memory. Raises NoSnapshotError before
    the first snapshot.
    """
    warehouse.require_snapshot()
    settings = settings or Settings()
    path = Path(warehouse.location) / DATABASE
    if not isinstance(warehouse.storage, ObjectStorage) and path.exists():
        with contextlib.suppress(duckdb.Error):  # No database, or of a newer DuckDB: it can be done without.
            connection = duckdb.connect(str(path), read_only=True)
            connection.execute("set TimeZone = 'UTC'")
            if connection.execute(f"select * from {RAW}.about").fetchall() == [_about(warehouse, settings)]:
                return connection
            connection.close()  # It is of other views, or of a warehouse that was moved.
    connection = open_connection(warehouse)
    create(connection, warehouse, settings, names)
    return connection


def query(
    warehouse: Warehouse, sql: str, settings: Settings | None = None, parameters: Mapping[str, object] | None = None
) -> pa.Table:
    """The answer to a statement, as Arrow; `parameters` are the values of `$name` in it.

    Raises QueryError with DuckDB's own words, NoSnapshotError, and WarehouseError where a file of a snapshot is gone.
    """
    named = _named_in(sql)
    require_files(warehouse, _tables_of(named))

    def ask() -> pa.Table:
        with connect(warehouse, settings, named) as connection:
            answer = connection.sql(sql, params=dict(parameters)) if parameters else connection.sql(sql)
            return pa.table({}) if answer is None else answer.to_arrow_table()

    try:
        return retry_missing_file(ask, duckdb.IOException)
    except duckdb.Error as error:
        raise QueryError(f"{first_words(error)}.") from error


def column_types(view: View, settings: Settings | None = None) -> dict[str, str]:
    """DuckDB's type of each column of a view, in lower case; it needs no warehouse."""
    views = catalogue(settings)
    views = {name: views[name] for name in with_sources(views, [view.name])}
    with duckdb.connect() as connection:
        connection.execute(f"create schema {RAW}")
        for name in {table for each in views.values() for table in reads_of(each).raw_tables}:
            connection.execute(f"create view {RAW}.{name} as {empty_scan(name)}")
        for each in in_order(views):
            _create_view(connection, each)
        called = f"{view.name}({', '.join('null' for _ in view.parameters)})" if view.parameters else view.name
        rows = connection.sql(f"describe from {called}").fetchall()
    return {row[0]: row[1].lower() for row in rows}


def create(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    settings: Settings | None = None,
    names: Iterable[str] | None = None,
) -> None:
    """Creates every view on a connection, with comments; or the named ones and what they read, without comments.

    DuckDB binds a view when it is created, with all that the view reads, down to the files. So the views are created
    over empty raw tables of the contract's types, and the scans take their place at the end.
    """
    settings = settings or Settings()
    views = catalogue(settings)
    if names is not None:
        wanted = with_sources(views, names)
        views = {name: view for name, view in views.items() if name in wanted}
    raw_tables = None if names is None else {table for view in views.values() for table in reads_of(view).raw_tables}
    scans = raw_scans(warehouse, raw_tables)
    connection.begin()
    connection.execute(f"create schema {RAW}")
    for name in scans:
        connection.execute(f"create view {RAW}.{name} as {empty_scan(name)}")
    for view in in_order(views):
        _create_view(connection, view)
        if names is None and not view.parameters:
            _comment(connection, view)
    for name, scan in scans.items():
        connection.execute(f"create or replace view {RAW}.{name} as {scan}")
    if names is None:
        location, version = map(quoted, _about(warehouse, settings))
        connection.execute(f"create view {RAW}.about as select {location} as warehouse, {version} as views")
    connection.commit()


def _create_view(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    if view.parameters:
        connection.execute(f"create macro {view.name}({', '.join(view.parameters)}) as table {view.query}")
    else:
        connection.execute(f"create view {view.name} as {view.query}")


def _comment(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    connection.execute(f"comment on view {view.name} is {quoted(f'{view.purpose} {view.grain}')}")
    for column, meaning in view.columns.items():
        connection.execute(f"comment on column {view.name}.{column} is {quoted(meaning)}")


def _named_in(sql: str) -> set[str] | None:
    """The views that a user's statement may name, by its words; None where it asks which views there are."""
    words = set(re.findall(r"\w+", sql.lower()))
    asks = {"show", "describe", "desc", "summarize", "pragma", "information_schema", RAW, "main"}
    if words & asks or any(word.startswith("duckdb_") for word in words):
        return None
    return set(catalogue()) & words or None


def _tables_of(names: set[str] | None) -> list[Table]:
    """The tables whose files the named views read, directly or not; all where it is not known what is read."""
    if names is None:
        return list(TABLES)
    views = catalogue()
    wanted = with_sources(views, names)
    raw_tables = {table for name in wanted for table in reads_of(views[name]).raw_tables}
    return [table for table in TABLES if table.name in raw_tables]


def _about(warehouse: Warehouse, settings: Settings) -> tuple[str, str]:
    """What a file of views is made of: the warehouse's location, and a digest that changes whenever a view does."""
    made = repr([sorted(catalogue(settings).items()), raw_scans(warehouse)])
    return warehouse.location, hashlib.sha256(made.encode()).hexdigest()[:16]
