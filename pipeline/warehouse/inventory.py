"""Whether the files of committed snapshots are there and hold what was committed.

A file that is gone, cut or doubled must not read as another number.
"""

from __future__ import annotations

import json
from collections import Counter

import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.snapshot_ids import days_of, path_of
from pipeline.warehouse.warehouse import Warehouse

DAYS_READ = 2
"""Days whose files are opened by `damage`; those that a run can still publish to are among them."""


def damage(warehouse: Warehouse) -> list[dict[str, str | int | None]]:
    """The files that are not what the commits say: path, rows that it should hold and holds, None where there are none.

    Which files there are is compared for all time, the rows in them for the newest `DAYS_READ` days: that costs a read
    of each file. It waits for a run that is publishing: its files have no commit yet.
    """
    with warehouse.storage.lock():
        return _damage(warehouse, warehouse.holdings())


def _damage(warehouse: Warehouse, holdings: Holdings) -> list[dict[str, str | int | None]]:
    commits = set(holdings.names(EXTRACTS))
    days = {name: days_of(name.span or "day", name.day)[1] for name in commits}
    newest = sorted(set(days.values()))[-DAYS_READ:]
    read = {name for name in holdings.commits if days[name] in newest}
    table_rows = {name: _table_rows(warehouse, path_of(EXTRACTS, name)) for name in read}
    found: list[dict[str, str | int | None]] = [
        {"path": path, "rows_committed": None, "rows_found": None} for path in holdings.missing(DATA_TABLES)
    ]
    for table in DATA_TABLES:
        for name in holdings.names(table):
            if name in commits and name not in read:
                continue  # It is older, or superseded and about to be removed.
            (path,) = holdings.files(table, [name])
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
