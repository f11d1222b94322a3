"""The database of views over a warehouse: created on a connection, or built as a file. `asking` puts questions to it.

It holds views and no data, so it can be thrown away and built again at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from pipeline.errors import WarehouseError
from pipeline.views.catalogue import catalogue
from pipeline.views.dependencies import FOLDED, LIVE, RAW, in_order, reads_of, with_sources
from pipeline.views.settings_views import Settings
from pipeline.views.view import View
from pipeline.warehouse import Warehouse
from pipeline.warehouse.raw_tables import bound_scans, lasting_scans
from pipeline.warehouse.scan import empty_scan, first_words, quoted
from pipeline.warehouse.storage import SCRATCH

DATABASE = "image_builders.duckdb"
"""The file of the views, in the warehouse's folder."""

STORAGE_VERSION = "v1.0.0"
"""DuckDB's oldest stable file format, so that older command lines open the file too: tried with 1.1.3."""


def build(warehouse: Warehouse, settings: Settings | None = None) -> str:
    """Writes the file of views beside its place and swaps it in whole; returns its path. One that has these views
    already is left as it is: to have DuckDB bind all of them takes seconds.

    On an object store there is no such file, because DuckDB would need credentials of its own: `connect` creates the
    views in memory, and this returns "". Raises NoSnapshotError before the first snapshot.
    """
    holdings = warehouse.holdings()
    if not holdings.commits:
        raise warehouse.no_snapshot()
    if warehouse.storage.is_remote:
        return ""
    views = catalogue(settings)
    folder = Path(warehouse.location)
    target = folder / DATABASE
    fresh = folder / SCRATCH / f"{os.getpid()}-{DATABASE}"
    scans = lasting_scans(warehouse, holdings, target)
    about = (warehouse.location, _digest(views, scans))
    if _is_about(target, about):
        return str(target)
    try:
        fresh.parent.mkdir(exist_ok=True)
        fresh.unlink(missing_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"attach {quoted(str(fresh))} as views (storage_version {quoted(STORAGE_VERSION)})")
            connection.execute("use views")
            create_over(connection, views, scans, with_comments=True)
            location, version = map(quoted, about)
            connection.execute(f"create view {RAW}.about as select {location} as warehouse, {version} as views")
            connection.execute("use memory; detach views")
        fresh.replace(target)
    except (OSError, duckdb.Error) as error:
        raise WarehouseError(f"The views {target} cannot be written: {first_words(error)}.") from error
    return str(target)


def _digest(views: Mapping[str, View], scans: Mapping[str, str]) -> str:
    """Of all that is in the file of views, and of the release of DuckDB that bound it."""
    told = (duckdb.__version__, STORAGE_VERSION, sorted(views.items()), sorted(scans.items()))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _is_about(database: Path, about: tuple[str, str]) -> bool:
    if not database.exists():
        return False
    try:
        with duckdb.connect(database, read_only=True) as connection:
            return connection.sql(f"select warehouse, views from {RAW}.about").fetchall() == [about]
    except duckdb.Error:  # Damaged, or of something else, or open elsewhere.
        return False


def column_types(view: View, settings: Settings | None = None) -> dict[str, str]:
    """DuckDB's type of each column of a view, in lower case; it needs no warehouse."""
    views = catalogue(settings)
    views = {name: views[name] for name in with_sources(views, [view.name])}
    with duckdb.connect() as connection:
        connection.execute(f"create schema {RAW}")
        for name in {table for each in views.values() for table in reads_of(each).raw_tables}:
            connection.execute(f"create view {RAW}.{name} as {empty_scan(name)}")
        for each in in_order(views):
            create_view(connection, each)
        called = f"{view.name}({', '.join('null' for _ in view.parameters)})" if view.parameters else view.name
        rows = connection.sql(f"describe from {called}").fetchall()
    return {row[0]: row[1].lower() for row in rows}


def create(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, settings: Settings | None = None) -> None:
    """Creates every view on a connection of the caller's, over what the warehouse holds now."""
    views = catalogue(settings or Settings())
    create_over(connection, views, bound_scans(warehouse, warehouse.holdings()), with_comments=True)


def create_over(
    connection: duckdb.DuckDBPyConnection,
    views: Mapping[str, View],
    scans: Mapping[str, str],
    with_comments: bool = False,
    folded: Mapping[str, tuple[str, str]] | None = None,
    kept: Collection[str] = (),
) -> None:
    """Creates views over the scans of the raw tables; and over those of what is `folded`, of which each comes with a
    query of no rows of its types. Views that are `kept` are tables, which are filled at once.

    DuckDB binds a view when it is created, with all that the view reads, down to the files. So the views are created
    over empty raw tables of the contract's types, and the scans take their place at the end.
    """
    folded = folded or {}
    # What is kept is filled at once, so it is created over the scans themselves, with all that it reads.
    first = with_sources(views, kept)
    needed = {t for name in first for t in reads_of(views[name]).raw_tables}
    connection.begin()
    for schema in (RAW, FOLDED, LIVE) if folded else (RAW,):
        connection.execute(f"create schema {schema}")
    at_first = {f"{RAW}.{name}": scan if name in needed else empty_scan(name) for name, scan in scans.items()}
    at_first |= {f"{FOLDED}.{name}": scan if first else nothing for name, (scan, nothing) in folded.items()}
    at_last = {f"{RAW}.{name}": scan for name, scan in scans.items()}
    at_last |= {f"{FOLDED}.{name}": scan for name, (scan, _) in folded.items()}
    for name, scan in at_first.items():
        connection.execute(f"create view {name} as {scan}")
    for view in in_order(views):
        if view.name in kept:
            connection.execute(f"create table {view.name} as {view.query}")
        else:
            create_view(connection, view)
        if with_comments and not view.parameters and "." not in view.name:
            _comment(connection, view, "table" if view.name in kept else "view")
    for name, scan in at_last.items():
        if scan != at_first[name]:
            connection.execute(f"create or replace view {name} as {scan}")
    connection.commit()


def create_view(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    if view.parameters:
        connection.execute(f"create macro {view.name}({', '.join(view.parameters)}) as table {view.query}")
    else:
        connection.execute(f"create view {view.name} as {view.query}")


def _comment(connection: duckdb.DuckDBPyConnection, view: View, kind: str) -> None:
    connection.execute(f"comment on {kind} {view.name} is {quoted(f'{view.purpose} {view.grain}')}")
    for column, meaning in view.columns.items():
        connection.execute(f"comment on column {view.name}.{column} is {quoted(meaning)}")
