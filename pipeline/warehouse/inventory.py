"""Whether the files of committed snapshots are there and hold what was committed.

A file that is gone, cut or doubled must not read as another number.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS, IMAGE_BUILDERS, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.snapshot_ids import DAY, is_joined, is_ours, newest_of_each_window, path_of
from pipeline.warehouse.warehouse import Warehouse

DAYS_READ = 2
"""Days whose files are opened by `damage`; those that a run can still publish to are among them."""


def require_files(warehouse: Warehouse, tables: Iterable[Table]) -> None:
    """Raises WarehouseError, with the path, where a commit has no file of a table.

    A commit that is older than the table's first file was written before the contract had the table.
    """
    tables = [table for table in tables if table is not EXTRACTS]
    if missing := _missing(warehouse, tables):
        # A later run of a window removes the earlier commit, then its files: between the two listings they may go.
        missing = sorted(set(missing) & set(_missing(warehouse, tables)))
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise WarehouseError(
            f"The warehouse {warehouse.location} is damaged: {missing[0]}{more}, which belongs to a committed "
            "snapshot, is gone. Put it back: without it answers would be too small."
        )


def damage(warehouse: Warehouse) -> list[dict[str, str | int | None]]:
    """The files that are not what the commits say: path, rows that it should hold and holds, None where there are none.

    Which files there are is compared for all time, the rows in them for the newest `DAYS_READ` days: that costs a read
    of each file. Where the place has a lock, it waits for a run that is publishing: its files have no commit yet.
    """
    with warehouse.storage.lock():
        return _damage(warehouse)


def _damage(warehouse: Warehouse) -> list[dict[str, str | int | None]]:
    commits = _names(warehouse, EXTRACTS)
    valid = _valid_commits(warehouse)
    days = sorted({name.removeprefix(DAY)[:8] for name in commits})[-DAYS_READ:]
    read = {name for name in valid if name.removeprefix(DAY)[:8] in days}
    table_rows = {name: _table_rows(warehouse, path_of(EXTRACTS, name)) for name in sorted(read)}
    found: list[dict[str, str | int | None]] = [
        {"path": path, "rows_committed": None, "rows_found": None} for path in _missing(warehouse, DATA_TABLES)
    ]
    for table in DATA_TABLES:
        for path in filter(is_ours, warehouse.storage.list(table.name)):
            name = PurePosixPath(path).stem
            if name in commits and name not in read:
                continue  # It is older, or superseded and about to be removed.
            with warehouse.storage.open(path) as source:
                rows = pq.read_metadata(source).num_rows
            committed = table_rows.get(name, {}).get(table.name)
            if name not in commits or (committed is not None and committed != rows):
                found.append({"path": path, "rows_committed": committed, "rows_found": rows})
    return found


def _table_rows(warehouse: Warehouse, path: str) -> dict[str, int]:
    """The rows of each table that the commits in a file tell; none of commits of before they did."""
    with warehouse.storage.open(path) as source:
        file = pq.ParquetFile(source)
        if "table_rows" not in file.schema_arrow.names:
            return {}
        rows = file.read(["snapshot_id", "table_rows"])
    told = dict(zip(rows["snapshot_id"].to_pylist(), rows["table_rows"].to_pylist(), strict=True))
    if None in told.values():
        return {}
    total: Counter[str] = Counter()
    for text in told.values():
        total.update(json.loads(text))
    return dict(total)


def _missing(warehouse: Warehouse, tables: Iterable[Table]) -> list[str]:
    commits = _valid_commits(warehouse)
    found = []
    for table in tables:
        there = _names(warehouse, table)
        first = min((name.removeprefix(DAY) for name in there), default=None)
        for name in sorted(commits - there):
            # One table was there from the beginning.
            if table is IMAGE_BUILDERS or (first is not None and name.removeprefix(DAY) > first):
                found.append(path_of(table, name))
    return found


def _names(warehouse: Warehouse, table: Table) -> set[str]:
    """The names of a table's files, without their ending."""
    return {PurePosixPath(path).stem for path in warehouse.storage.list(table.name) if is_ours(path)}


def _valid_commits(warehouse: Warehouse) -> set[str]:
    """The names of the commits: joined days, and of the snapshots those that none supersedes."""
    names = _names(warehouse, EXTRACTS)
    joined = {name for name in names if is_joined(f"{name}.parquet")}
    return joined | set(newest_of_each_window(names - joined))
