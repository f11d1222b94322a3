"""A query for each raw table over the files of a warehouse: over those that its commits name now, for an answer of one
moment; or over patterns, for a file of views that goes on seeing what is committed later.

Every query gives the contract's types, whatever the files or their paths would suggest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import sql_folder
from pipeline.contract import EXTRACTS, HIVE_KEY, PRICES, TABLES, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.holdings import Holdings, checkpoint_made
from pipeline.warehouse.scan import (
    RAW_TABLES,
    RECENT,
    answer,
    empty_scan,
    first_words,
    open_connection,
    quoted,
    typed,
)
from pipeline.warehouse.snapshot_ids import FILE_PATTERN, PRICES_PATTERN, Name, date_sql, file_of
from pipeline.warehouse.storage import FileGoneError
from pipeline.warehouse.warehouse import Warehouse

COVERS = b"covers"
"""The key in a checkpoint's metadata with the names of the files whose commits it has."""


def bound_scans(warehouse: Warehouse, holdings: Holdings, names: set[str] | None = None) -> dict[str, str]:
    """The queries of the raw tables by name, all or the named ones, over the files that the commits name and no others.

    They are for an answer of one moment: what is committed later is not in it, and a file that is gone is an error.
    """
    scans = {}
    for table in TABLES:
        if names is None or table.name in names:
            scans[table.name] = bound_scan(table, warehouse, holdings, holdings.commits)
    if names is None or PRICES.name in names:
        scans[PRICES.name] = _bound_prices(warehouse, holdings)
    recent = {name: RECENT[name] for name in RECENT if names is None or RECENT[name] in names}
    if recent:
        commits = _bound_recent(warehouse, holdings)
        needed = holdings.commits  # In a folder it costs less to open a file than to know that it is not needed.
        if warehouse.storage.is_remote and set(recent) - {EXTRACTS.name}:
            needed = _needed(warehouse, holdings, commits)
        for table in TABLES:
            if table.name in recent:
                scan = commits if table is EXTRACTS else bound_scan(table, warehouse, holdings, needed)
                scans[recent[table.name]] = scan
    return scans


def lasting_scans(warehouse: Warehouse, holdings: Holdings, database: Path | None = None) -> dict[str, str]:
    """The queries of all raw tables by name, for views that go on seeing what is committed later.

    With `database`, they end with an error in a database that is another file: a copy of it, or of the whole warehouse,
    would answer from the place where it was made.
    """
    guard = f" where {_of_this_place(warehouse, database)}" if database else ""
    scans = {table.name: f"{_lasting(table, warehouse, holdings)}{guard}" for table in RAW_TABLES}
    return scans | {recent: f"select * from raw.{name}" for name, recent in RECENT.items()}


def bound_scan(table: Table, warehouse: Warehouse, holdings: Holdings, names: Iterable[Name]) -> str:
    """A query of the rows of some of a table's files, those of the names.

    Files of one rank were written one after another: where the first and the last of them have the same columns, all
    have, and DuckDB need not open each before it reads one.
    """
    by_rank: dict[int, list[str]] = {}
    for name in names:
        by_rank.setdefault(name.rank, []).extend(holdings.files(table, [name]))
    parts = []
    for rank, paths in by_rank.items():
        if paths:
            ends = _ends(warehouse, paths)
            parts.append(_read(table, warehouse, paths, ends, is_one_day=rank <= 1))
    return "\nunion all\n".join(parts) or empty_scan(table.name)


def _bound_prices(warehouse: Warehouse, holdings: Holdings) -> str:
    paths = holdings.prices
    if not paths:
        return empty_scan(PRICES.name)
    ends = _ends(warehouse, paths)
    return _read(PRICES, warehouse, paths, ends, is_one_day=True)


@dataclass(frozen=True)
class Checkpoint:
    """A summary of old commits: its path and columns, and the names of the files whose commits it has."""

    path: str
    columns: frozenset[str]
    covers: frozenset[Name]


def newest_checkpoint(warehouse: Warehouse, holdings: Holdings) -> Checkpoint | None:
    """The newest summary of commits that all are there still: what it says of one that is gone is not so any more.

    None where there is none. Raises WarehouseError where one cannot be read; of one that is no Parquet file nothing is
    lost.
    """
    commits = set(holdings.commits)
    for path in sorted(holdings.checkpoints, key=checkpoint_made, reverse=True):
        try:
            with warehouse.storage.open(path) as source:
                schema = pq.read_schema(source)
        except pa.ArrowInvalid:
            continue
        told = json.loads((schema.metadata or {}).get(COVERS, b"[]"))
        covers = {Name.of(f"{name}.parquet") for name in told}
        if covers and covers <= commits:
            return Checkpoint(path, frozenset(schema.names), frozenset(commits & covers))
    return None


def _bound_recent(warehouse: Warehouse, holdings: Holdings) -> str:
    """The newest checkpoint and the commits that it does not cover; all commits where there is none."""
    found = newest_checkpoint(warehouse, holdings)
    if found is None:
        return bound_scan(EXTRACTS, warehouse, holdings, holdings.commits)
    rows = ", ".join(typed(c, found.columns) for c in EXTRACTS.columns)
    file = quoted(file_literal(warehouse, found.path))
    since = bound_scan(EXTRACTS, warehouse, holdings, [n for n in holdings.commits if n not in found.covers])
    return (
        f"select {rows}, {HIVE_KEY}::DATE as {HIVE_KEY} from read_parquet({file}, hive_partitioning = false)\n"
        f"union all\n{since}"
    )


def _needed(warehouse: Warehouse, holdings: Holdings, commits: str) -> list[Name]:
    """The names of the files with the image builders that are current, as far as recent commits tell."""
    query = (sql_folder() / "upkeep" / "recent_snapshots.sql").read_text(encoding="utf-8")

    def ask() -> list[str]:
        with open_connection(warehouse) as connection:
            connection.execute(f"create temp view recent as {commits}")
            return [row[0] for row in connection.sql(query).fetchall()]

    files = {file_of(snapshot_id) for snapshot_id in answer(warehouse, ask)}
    known = {file_of(name): name for name in holdings.commits}
    if gone := files - set(known):
        raise FileGoneError(
            f"The warehouse {warehouse.location} cannot be read: the file of {min(gone)[0]} is not there any more."
        )
    return [name for place, name in known.items() if place in files]


def _lasting(table: Table, warehouse: Warehouse, holdings: Holdings) -> str:
    paths = holdings.prices if table is PRICES else holdings.files(table, holdings.names(table))
    if not paths:  # DuckDB fails on a glob that matches no file.
        return f"select * from ({empty_scan(table.name)})"
    ends = _ends(warehouse, paths)
    pattern = f"{table.name}/{HIVE_KEY}=*/{PRICES_PATTERN if table is PRICES else FILE_PATTERN}"
    # Snapshots that are joined later lie in folders of another day.
    return _read(table, warehouse, [pattern], ends, is_one_day=table is PRICES)


def _read(table: Table, warehouse: Warehouse, paths: list[str], ends: list[frozenset[str]], is_one_day: bool) -> str:
    """A query of the rows of files, or of those of a pattern. `ends` are the columns of the first and the last file;
    `is_one_day`: each file's rows are of the day that its folder says, so that a filter of the day skips files.
    """
    existing = frozenset.union(*ends)
    columns = ", ".join(typed(c, existing) for c in table.columns)
    by_name = "" if ends[0] >= existing else ", union_by_name = true"
    is_pattern = "*" in paths[0]
    listed = ", ".join(
        quoted(f"{escaped(warehouse.location)}/{path}" if is_pattern else file_literal(warehouse, path))
        for path in paths
    )
    if not is_one_day:
        return (
            f"select {columns}, {date_sql('snapshot_id')} as {HIVE_KEY} "
            f"from read_parquet([{listed}]{by_name}, hive_partitioning = false)"
        )
    if "=" in warehouse.location:
        # DuckDB takes every key=value folder of the whole path for a Hive key, and lets it win over the file's column.
        return (
            f"select {columns}, regexp_extract(filename, '{HIVE_KEY}=([0-9-]+)/[^/]*$', 1)::DATE as {HIVE_KEY} "
            f"from read_parquet([{listed}]{by_name}, hive_partitioning = false, filename = true)"
        )
    return (
        f"select {columns}, {HIVE_KEY} from read_parquet([{listed}]{by_name}, "
        f"hive_partitioning = true, hive_types = {{'{HIVE_KEY}': DATE}})"
    )


def file_literal(warehouse: Warehouse, path: str) -> str:
    """The full path of a file as DuckDB must be given it: of a local one, nothing is taken for a pattern."""
    full = f"{warehouse.location}/{path}"
    return full if warehouse.storage.is_remote else escaped(full)


def escaped(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)


def _of_this_place(warehouse: Warehouse, database: Path) -> str:
    """A condition that is true in the database of a path, and an error in any other file."""
    places = ", ".join(quoted(str(path)) for path in dict.fromkeys((database, database.resolve())))
    moved = quoted(
        f"This file of views is of the warehouse {warehouse.location}, and was moved or copied away from there: open "
        f"{database}, or make the views of this place with `image-builders open`."
    )
    # Older releases of DuckDB tell a path as it was typed, which says nothing.
    return (
        f"(select case when count(*) > 0 then true else error({moved}) end from duckdb_databases() "
        f"where path in ({places}) or path not like '/%')"
    )


def _ends(warehouse: Warehouse, paths: list[str]) -> list[frozenset[str]]:
    """The columns of the first and of the last of some files."""
    return [_column_names(warehouse, path) for path in dict.fromkeys((paths[0], paths[-1]))]


def _column_names(warehouse: Warehouse, path: str) -> frozenset[str]:
    """The columns of a file. Raises WarehouseError with its path where it is no Parquet file."""
    try:
        with warehouse.storage.open(path) as source:
            return frozenset(pq.read_schema(source).names)
    except pa.ArrowInvalid as error:
        reason = f"{path}: {first_words(error)}"
        raise WarehouseError(f"The warehouse {warehouse.location} cannot be read: {reason}.") from error
