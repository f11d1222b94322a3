"""A query for each raw table over the files of a warehouse: over those that its commits name now, for an answer of one
moment; or over patterns, for a file of views that goes on seeing what is committed later.

Every query gives the contract's types, whatever the files or their paths would suggest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import sql_folder
from pipeline.contract import DATA_TABLES, EXTRACTS, HIVE_KEY, PRICES, TABLES, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.holdings import CHECKPOINTS, Holdings, checkpoint_day
from pipeline.warehouse.s3_storage import ObjectStorage
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
from pipeline.warehouse.snapshot_ids import FILE_PATTERN, PRICES_PATTERN, Name, date_sql, days_of, span_of, unjoined_id
from pipeline.warehouse.warehouse import Warehouse


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
        needed = _needed(warehouse, holdings, commits) if set(recent) - {EXTRACTS.name} else []
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
    scans[RECENT[EXTRACTS.name]] = _lasting_recent(warehouse, holdings)
    return scans | {RECENT[table.name]: f"select * from raw.{table.name}" for table in DATA_TABLES}


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
            ends = [_column_names(warehouse, path) for path in dict.fromkeys((paths[0], paths[-1]))]
            parts.append(_read(table, warehouse, paths, ends, is_one_day=rank <= 1))
    return "\nunion all\n".join(parts) or empty_scan(table.name)


def _bound_prices(warehouse: Warehouse, holdings: Holdings) -> str:
    paths = holdings.prices
    if not paths:
        return empty_scan(PRICES.name)
    ends = [_column_names(warehouse, path) for path in dict.fromkeys((paths[0], paths[-1]))]
    return _read(PRICES, warehouse, paths, ends, is_one_day=True)


def _bound_recent(warehouse: Warehouse, holdings: Holdings) -> str:
    """The newest checkpoint that can be read and the commits of the days after it; all commits where there is none."""
    for path in reversed(holdings.checkpoints):
        try:
            columns = _column_names(warehouse, path)
        except WarehouseError:
            continue  # It can be done without.
        day = checkpoint_day(path)
        rows = ", ".join(typed(c, columns) for c in EXTRACTS.columns)
        file = quoted(_literal(warehouse, path))
        later = [name for name in holdings.commits if days_of(name.span or "day", name.day)[1] > day]
        since = bound_scan(EXTRACTS, warehouse, holdings, later)
        return (
            f"select {rows}, {HIVE_KEY}::DATE as {HIVE_KEY} from read_parquet({file}, hive_partitioning = false)\n"
            f"union all\nselect * from ({since}) where {HIVE_KEY} > '{day}'::DATE"
        )
    return bound_scan(EXTRACTS, warehouse, holdings, holdings.commits)


def _needed(warehouse: Warehouse, holdings: Holdings, commits: str) -> list[Name]:
    """The names of the files with the image builders that are current, as far as recent commits tell."""
    query = (sql_folder() / "upkeep" / "recent_snapshots.sql").read_text(encoding="utf-8")

    def ask() -> list[str]:
        with open_connection(warehouse) as connection:
            connection.execute(f"create temp view recent as {commits}")
            return [row[0] for row in connection.sql(query).fetchall()]

    spans = {(span_of(i), unjoined_id(i)) for i in answer(warehouse, ask)}
    own = {newest for span, newest in spans if span is None}
    days = {(span, days_of(span, Name(None, i).day)) for span, i in spans if span}
    return [
        name
        for name in holdings.commits
        if (name.newest in own if name.span is None else (name.span, days_of(name.span, name.day)) in days)
    ]


def _lasting(table: Table, warehouse: Warehouse, holdings: Holdings) -> str:
    paths = holdings.prices if table is PRICES else holdings.files(table, holdings.names(table))
    if not paths:  # DuckDB fails on a glob that matches no file.
        return f"select * from ({empty_scan(table.name)})"
    ends = [_column_names(warehouse, path) for path in dict.fromkeys((paths[0], paths[-1]))]
    pattern = f"{table.name}/{HIVE_KEY}=*/{PRICES_PATTERN if table is PRICES else FILE_PATTERN}"
    # Snapshots that are joined later lie in folders of another day.
    return _read(table, warehouse, [pattern], ends, is_one_day=table is PRICES)


def _lasting_recent(warehouse: Warehouse, holdings: Holdings) -> str:
    """The same as `_bound_recent`, whichever checkpoint is the newest when it is asked."""
    if not holdings.checkpoints:
        return f"select * from raw.{EXTRACTS.name}"
    existing = _column_names(warehouse, holdings.checkpoints[-1])
    columns = ", ".join(typed(c, existing) for c in EXTRACTS.columns)
    pattern = quoted(f"{_escaped(warehouse.location)}/{CHECKPOINTS}/[0-9]*-[0-9]*T*[0-9].parquet")
    # The checkpoints are listed once: the newest one's rows and the day that it reaches to must be of the same file.
    return (
        f"with checkpoint as (select {columns}, {HIVE_KEY}::DATE as {HIVE_KEY}, filename, max(filename) over () as "
        f"newest from read_parquet({pattern}, union_by_name = true, filename = true, hive_partitioning = false)) "
        f"select {', '.join(c.name for c in EXTRACTS.columns)}, {HIVE_KEY} from checkpoint where filename = newest "
        f"union all select * from raw.{EXTRACTS.name} where {HIVE_KEY} > (select max(regexp_extract(newest, "
        "'([0-9]{4}-[0-9]{2}-[0-9]{2})-[0-9T]+.parquet$', 1)::DATE) from checkpoint)"
    )


def _read(table: Table, warehouse: Warehouse, paths: list[str], ends: list[frozenset[str]], is_one_day: bool) -> str:
    """A query of the rows of files, or of those of a pattern. `ends` are the columns of the first and the last file;
    `is_one_day`: each file's rows are of the day that its folder says, so that a filter of the day skips files.
    """
    existing = frozenset.union(*ends)
    columns = ", ".join(typed(c, existing) for c in table.columns)
    by_name = "" if ends[0] >= existing else ", union_by_name = true"
    is_pattern = "*" in paths[0]
    listed = ", ".join(
        quoted(f"{_escaped(warehouse.location)}/{path}" if is_pattern else _literal(warehouse, path)) for path in paths
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


def _literal(warehouse: Warehouse, path: str) -> str:
    """The full path of a file as DuckDB must be given it: of a local one, nothing is taken for a pattern."""
    full = f"{warehouse.location}/{path}"
    return full if isinstance(warehouse.storage, ObjectStorage) else _escaped(full)


def _escaped(path: str) -> str:
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


def _column_names(warehouse: Warehouse, path: str) -> frozenset[str]:
    """The columns of a file. Raises WarehouseError with its path where it is no Parquet file."""
    try:
        with warehouse.storage.open(path) as source:
            return frozenset(pq.read_schema(source).names)
    except pa.ArrowInvalid as error:
        reason = f"{path}: {first_words(error)}"
        raise WarehouseError(f"The warehouse {warehouse.location} cannot be read: {reason}.") from error
