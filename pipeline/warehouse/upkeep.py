"""Keeps a warehouse of many snapshots fast: joins the snapshots of a settled day into one file a table, and writes a
checkpoint of what old commits say that still matters.

Neither changes an answer, and a process may die after any step: nothing is removed before its replacement is in place.
A joined snapshot is the old one under an id of its own, which supersedes it as any later snapshot of a window would.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import sql_folder
from pipeline.contract import DATA_TABLES, EXTRACTS, HIVE_KEY, Table
from pipeline.warehouse.publish import ROW_GROUP, STALE_AFTER, columns_of
from pipeline.warehouse.scan import committed_extracts, open_connection, raw_scans
from pipeline.warehouse.snapshot_ids import DAY, JOINED, is_joined, is_ours, path_of, snapshot_of, window_of
from pipeline.warehouse.storage import as_warehouse_error
from pipeline.warehouse.warehouse import CHECKPOINTS, Warehouse

SETTLED = timedelta(days=2)
"""Age of a day, counted from its beginning, at which no run can publish to it any more."""

DAYS_AT_ONCE = 7
"""Days that one run joins: a backlog is worked off over several runs."""

JOINED_ROW_GROUP = 131_072
"""Rows of a joined day that are held in memory, and make a row group."""

CHECKPOINT_EVERY = 32
"""Days after which the next checkpoint is written: the commits of as many days are read beside it at most."""

_DATE = re.compile(rf"{HIVE_KEY}=(\d{{4}}-\d{{2}}-\d{{2}})/")


def tend(home: Warehouse, now: datetime, days_at_once: int = DAYS_AT_ONCE) -> list[str]:
    """Joins days that are settled, and writes a checkpoint when one is due; returns the days that were joined.

    It does nothing in an object store: without a lock, another run may write what is being joined.

    Raises WarehouseError; the next call finishes what this one could not.
    """
    if not home.storage.has_lock:
        return []
    settled = (now.astimezone(UTC) - SETTLED).date()
    with home.storage.lock(), as_warehouse_error("written", home.location):
        joined = [day for day, paths in _days(home, settled).items() if _is_to_be_joined(paths)][:days_at_once]
        for day in joined:
            _join(home, day)
        leftover = [day for day, paths in _days(home, settled).items() if _is_joined(paths) and len(paths) > 1]
        newest = _newest_checkpoint(home)
        is_due = newest is None or (settled - newest[0]).days >= CHECKPOINT_EVERY
        if leftover or (is_due and len(_days(home, settled)) >= CHECKPOINT_EVERY):
            # The checkpoint must name the joined snapshots before those that they supersede are removed.
            _write_checkpoint(home, settled, now)
            time.sleep(home.grace)
            _remove_superseded(home, leftover)
        elif newest is not None:
            _remove_older_checkpoints(home)
    return joined


def _days(home: Warehouse, settled: date) -> dict[str, list[str]]:
    """The commits of each settled day, by the day."""
    found: dict[str, list[str]] = {}
    for path in home.storage.list(EXTRACTS.name):
        match = _DATE.search(path)
        if match and is_ours(path) and date.fromisoformat(match[1]) <= settled:
            found.setdefault(match[1], []).append(path)
    return found


def _is_joined(paths: list[str]) -> bool:
    return any(map(is_joined, paths))


def _is_to_be_joined(paths: list[str]) -> bool:
    return len(paths) > 1 and not _is_joined(paths)


def _join(home: Warehouse, day: str) -> None:
    """Writes all snapshots of a day to one file a table, the commit last."""
    newest = {window_of(i): i for i in sorted(filter(None, map(snapshot_of, _of_day(home, EXTRACTS, day))))}
    snapshot_ids = sorted(newest.values())
    for table in (*DATA_TABLES, EXTRACTS):
        path = path_of(table, f"{DAY}{snapshot_ids[-1]}")
        home.storage.remove(path)  # A dead run left it; without its commit nobody has read it.
        file = home.storage.create(path)
        try:
            with pq.ParquetWriter(file.sink, table.schema, compression="zstd") as writer:
                for rows in _joined_rows(home, table, day, snapshot_ids):
                    writer.write_table(rows)
            file.commit()
        except BaseException:
            file.sink.close()
            raise


def _joined_rows(home: Warehouse, table: Table, day: str, snapshot_ids: list[str]) -> Iterator[pa.Table]:
    """The rows of the snapshots, about `JOINED_ROW_GROUP` at a time, sorted by image builder within each row group:
    that takes a third of the space, and is the order in which the views of history read.
    """
    existing = _of_day(home, table, day)
    pending: list[pa.Table] = []
    for snapshot_id in snapshot_ids:
        path = path_of(table, snapshot_id)
        if path not in existing:
            continue  # The snapshot was published before the contract had this table.
        with home.storage.open(path) as source:
            for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                pending.append(columns_of(table, pa.table(batch), f"{snapshot_id}{JOINED}"))
                if sum(rows.num_rows for rows in pending) >= JOINED_ROW_GROUP:
                    yield _by_builder(table, pending)
                    pending = []
    if pending:
        yield _by_builder(table, pending)


def _by_builder(table: Table, parts: list[pa.Table]) -> pa.Table:
    key = sorted(table.key, key=lambda name: name != "arn")
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in key])


def _of_day(home: Warehouse, table: Table, day: str) -> list[str]:
    return home.storage.list(f"{table.name}/{HIVE_KEY}={day}")


def _remove_superseded(home: Warehouse, days: list[str]) -> None:
    for table in (EXTRACTS, *DATA_TABLES):  # The commits go first: while one is there, its data must be too.
        for day in days:
            for path in _of_day(home, table, day):
                if snapshot_of(path):
                    home.storage.remove(path)
    _remove_older_checkpoints(home)


def _newest_checkpoint(home: Warehouse) -> tuple[date, str] | None:
    paths = home.checkpoints()
    return (date.fromisoformat(PurePosixPath(paths[-1]).name[:10]), paths[-1]) if paths else None


def _write_checkpoint(home: Warehouse, settled: date, now: datetime) -> None:
    # From the commits themselves: snapshots that an earlier checkpoint names may have been joined since.
    query = (sql_folder() / "upkeep" / "checkpoint.sql").read_text(encoding="utf-8")
    with open_connection(home) as connection:
        connection.execute("create schema raw")
        connection.execute(f"create view raw.extracts as {raw_scans(home, {EXTRACTS.name})[EXTRACTS.name]}")
        connection.execute(f"create view extracts as {committed_extracts()}")
        kept = connection.sql(query, params=[settled]).to_arrow_table()
    file = home.storage.create(f"{CHECKPOINTS}/{settled}-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}.parquet")
    pq.write_table(kept, file.sink, compression="zstd")
    file.commit()


def _remove_older_checkpoints(home: Warehouse) -> None:
    for path in home.checkpoints()[:-1]:
        if home.storage.age(path) > STALE_AFTER:  # A reader may have listed it just now.
            home.storage.remove(path)
