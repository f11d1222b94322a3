"""What keeps a warehouse of many snapshots fast to read: the snapshots of a day that is over are joined into one file a
table, and what old commits say that still matters is summed up in a checkpoint.

Neither changes an answer, and a process may die after any step: until all else is in place nothing is removed. A joined
snapshot is the old one under an id of its own, which supersedes it as any later snapshot of a window would.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.views import database as views
from pipeline.warehouse import warehouse
from pipeline.contract import DATA_TABLES, EXTRACTS, HIVE_KEY, Table
from pipeline.warehouse.storage import told
from pipeline.warehouse.warehouse import CHECKPOINTS, DAY, JOINED, ROW_GROUP, Warehouse, columns_of, window_of

SETTLED = timedelta(days=2)
"""Age of a day, from its beginning, at which no run can publish to it any more, its grace included."""

DAYS_AT_ONCE = 7
"""Days that are joined by one run: a backlog is worked off over several."""

TOGETHER = 131_072
"""Rows of a joined day that are held in memory, and make a row group."""

CHECKPOINT_EVERY = 32
"""Days after which the next checkpoint is written; as many commits are read beside it at most."""

_DATE = re.compile(rf"{HIVE_KEY}=(\d{{4}}-\d{{2}}-\d{{2}})/")

_STILL_MATTERS = """
with looks as (
    select
        *,
        coalesce(later_observed_at, observed_at) as last_look_at,
        max(case when complete then observed_at end) over (partition by account_id, region) as complete_at,
        max(coalesce(later_observed_at, observed_at)) over (partition by account_id, region) as newest_look_at,
        max(case when is_configured is not null then window_start end) over () as configured_window
    from extracts
    where snapshot_date <= ?
)
select * exclude (last_look_at, complete_at, newest_look_at, configured_window)
from looks
where
    (status = 'ok' and (complete_at is null or observed_at >= complete_at))
    or last_look_at = newest_look_at
    or window_start >= configured_window
order by snapshot_id, account_id, region
"""
"""Of all commits, what image_builders_current can still ask of: the newest complete look at each target and those after
it, the newest look however it went, and the newest window that tells what is configured."""


def tend(home: Warehouse, now: datetime, days_at_once: int = DAYS_AT_ONCE) -> list[str]:
    """Joins days that are over, and writes a checkpoint when it is time; returns the days that were joined.

    Raises WarehouseError; what it had not finished is taken up the next time.
    """
    settled = (now.astimezone(UTC) - SETTLED).date()
    with home.storage.lock(), told("written", home.location):
        joined = [day for day, paths in _days(home, settled).items() if _is_to_be_joined(paths)][:days_at_once]
        for day in joined:
            _join(home, day)
        leftover = [day for day, paths in _days(home, settled).items() if _is_joined(paths) and len(paths) > 1]
        newest = _newest_checkpoint(home)
        is_due = newest is None or (settled - newest[0]).days >= CHECKPOINT_EVERY
        if leftover or (is_due and len(_days(home, settled)) >= CHECKPOINT_EVERY):
            # It names the snapshots that stay; only then may the others go.
            _write_checkpoint(home, settled, now)
            time.sleep(warehouse.GRACE)
            _remove_superseded(home, leftover)
        elif newest is not None:
            _remove_older_checkpoints(home)
    return joined


def _days(home: Warehouse, settled: date) -> dict[str, list[str]]:
    """The commits of each settled day, by the day."""
    found: dict[str, list[str]] = {}
    for path in home.storage.list(EXTRACTS.name):
        match = _DATE.search(path)
        if match and date.fromisoformat(match[1]) <= settled:
            found.setdefault(match[1], []).append(path)
    return found


def _is_joined(paths: list[str]) -> bool:
    return any(PurePosixPath(path).name.startswith(DAY) for path in paths)


def _is_to_be_joined(paths: list[str]) -> bool:
    return len(paths) > 1 and not _is_joined(paths)


def _join(home: Warehouse, day: str) -> None:
    """Writes the day's tables in one file each, the commit last."""
    newest = {window_of(i): i for i in sorted(PurePosixPath(p).stem for p in _of_day(home, EXTRACTS, day))}
    snapshot_ids = sorted(newest.values())
    for table in (*DATA_TABLES, EXTRACTS):
        path = f"{table.name}/{HIVE_KEY}={day}/{DAY}{snapshot_ids[-1]}.parquet"
        home.storage.remove(path)  # A run that died left it; without its commit nobody has read it.
        file = home.storage.create(path)
        try:
            with pq.ParquetWriter(file.sink, table.schema, compression="zstd") as writer:
                for rows in _together(home, table, day, snapshot_ids):
                    writer.write_table(rows)
            file.commit()
        except BaseException:
            file.sink.close()
            raise


def _together(home: Warehouse, table: Table, day: str, snapshot_ids: list[str]) -> Iterator[pa.Table]:
    """The rows of the snapshots, some `TOGETHER` at a time, and of those each image builder's in one place: that takes
    a third of the room, and is how the views of history ask for them.
    """
    there = _of_day(home, table, day)
    pending: list[pa.Table] = []
    for snapshot_id in snapshot_ids:
        path = home.path(table, snapshot_id)
        if path not in there:
            continue  # It was published before there was such a table.
        with home.storage.open(path) as source:
            for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                pending.append(columns_of(table, pa.table(batch), f"{snapshot_id}{JOINED}"))
                if sum(rows.num_rows for rows in pending) >= TOGETHER:
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
                if not PurePosixPath(path).name.startswith(DAY):
                    home.storage.remove(path)
    _remove_older_checkpoints(home)


def _newest_checkpoint(home: Warehouse) -> tuple[date, str] | None:
    paths = home.storage.list(CHECKPOINTS)
    return (date.fromisoformat(PurePosixPath(paths[-1]).name[:10]), paths[-1]) if paths else None


def _write_checkpoint(home: Warehouse, settled: date, now: datetime) -> None:
    # From the commits themselves: what an earlier checkpoint names may have been joined since.
    with views.connect(home, [EXTRACTS.name]) as connection:
        kept = connection.sql(_STILL_MATTERS, params=[settled]).to_arrow_table()
    file = home.storage.create(f"{CHECKPOINTS}/{settled}-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}.parquet")
    pq.write_table(kept, file.sink, compression="zstd")
    file.commit()


def _remove_older_checkpoints(home: Warehouse) -> None:
    for path in home.storage.list(CHECKPOINTS)[:-1]:
        if home.storage.age(path) > warehouse.STALE_AFTER:  # Somebody may have listed it just now.
            home.storage.remove(path)
