"""Keeps a warehouse of many snapshots fast: joins the snapshots of a settled span of time into one file a table, and
writes a checkpoint of what old commits say that still matters.

Neither changes an answer, and a process may die after any step: nothing is removed before its replacement was read back
from the place where it lies and holds the same rows. A joined snapshot is the old one under an id of its own, which
supersedes it as any later snapshot of a window would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import sql_folder
from pipeline.contract import DATA_TABLES, EXTRACTS, TABLES
from pipeline.warehouse.contents import Contents
from pipeline.warehouse.holdings import CHECKPOINTS, Holdings, checkpoint_made
from pipeline.warehouse.joining import Join
from pipeline.warehouse.publish import STALE_AFTER
from pipeline.warehouse.raw_tables import COVERS, bound_scan, newest_checkpoint
from pipeline.warehouse.scan import answer, committed_extracts, open_connection
from pipeline.warehouse.snapshot_ids import SPANS, Name, days_of, unjoined_id
from pipeline.warehouse.storage import as_warehouse_error, committed
from pipeline.warehouse.warehouse import Warehouse

SETTLED = timedelta(days=2)
"""Age of a day, counted from its beginning, at which no run can publish to it any more."""

MOST_AT_ONCE = {False: 168, True: 24}
"""Files of a table that one run joins, in a folder and in a bucket, where each costs requests: a backlog is worked off
over several runs. A day of hourly ones is always among them.
"""

MOST_BYTES = 512 * 2**20
"""Bytes of a table's files from which on they are left as they are: larger ones are no quicker to read."""

CHECKPOINT_EVERY = 32
"""Commits of settled days that are read beside a checkpoint at most: with so many, the next is written."""


def tend(home: Warehouse, now: datetime, at_once: int | None = None) -> list[str]:
    """Joins what is settled, and writes a checkpoint when one is due; returns the days whose snapshots were joined.

    A day of several snapshots becomes one file a table, and so does a month, then a year. Where a month is more than
    may be joined `at_once` (files of a table; `MOST_AT_ONCE` unless given), about seven days of it are joined first.

    Raises WarehouseError; the next call finishes what this one could not.
    """
    settled = (now.astimezone(UTC) - SETTLED).date()
    with home.storage.lock() as lock, as_warehouse_error("written", home.location):
        holdings = home.holdings()
        contents = Contents.of(home.storage, holdings)
        over = removable(home, holdings, contents)  # Left by runs that died, or could not remove it.
        most = MOST_AT_ONCE[home.storage.is_remote] if at_once is None else at_once
        found = list(_to_join(holdings, contents.counting(holdings.names(EXTRACTS)), settled, most))
        for joined, sources in found:
            lock.require()
            Join(home, holdings, joined, sources, contents.winners).write(lock)
            over += [name for name in sources if name not in over]
        if found:
            holdings = home.holdings()
        checkpoints = holdings.checkpoints[:-1]
        if over or _is_checkpoint_due(home, holdings, settled):
            checkpoints = holdings.checkpoints
            # The checkpoint must name the joined snapshots before those that they supersede are removed.
            write_checkpoint(home, holdings, over, settled, now)
        if over:
            time.sleep(home.grace)
            lock.require()
            remove(home, holdings, over)
        old = [path for path in checkpoints if _age(path, now) > STALE_AFTER]
        if old:
            home.storage.remove(*old)  # Nobody can be reading them still.
    return sorted({str(name.day) for _, sources in found for name in sources})


def removable(home: Warehouse, holdings: Holdings, contents: Contents) -> list[Name]:
    """The superseded files that can go: of what was joined, those whose rows the joined file holds."""
    return [
        name
        for name in contents.superseded
        if name in contents.broken
        or all(_holds(home, holdings, other, name, contents) for other in contents.joined_in(name))
    ]


def _holds(home: Warehouse, holdings: Holdings, joined: Name, name: Name, contents: Contents) -> bool:
    """Whether a joined file of every table holds the rows of those snapshots of a file that it says it has."""
    has = {unjoined_id(i) for i in contents.ids[joined]}
    join = Join(home, holdings, joined, [name], {i for i in contents.ids[name] if unjoined_id(i) in has})
    # A later revision lacks on purpose what was forgotten.
    return joined.revision > name.revision or all(join.differences(table) == 0 for table in TABLES)


def remove(home: Warehouse, holdings: Holdings, names: Sequence[Name]) -> None:
    """Removes files that others hold now, or that are forgotten."""
    # The commits go first: while one is there, its data must be too.
    home.storage.remove(*holdings.files(EXTRACTS, names))
    home.storage.remove(*(path for table in DATA_TABLES for path in holdings.files(table, names)))


def _to_join(
    holdings: Holdings, free: Sequence[Name], settled: date, at_once: int
) -> Iterator[tuple[Name, list[Name]]]:
    """The files that are to be, each with those whose snapshots it joins: the longest span that is settled, as far as
    they are `at_once` at most and not too large; but a day, whatever is in it.
    """
    there = holdings.names(EXTRACTS)
    free, is_first = list(free), True
    for span in reversed(SPANS):
        rank = SPANS.index(span) + 1
        within: dict[date, list[Name]] = {}
        for name in free:
            first, _ = days_of(span, name.day)
            # A few days are joined only on the way to a month: of one that is not over, each day keeps its folder.
            _, last = days_of("month" if span == "days" else span, name.day)
            if name.rank < rank and last <= settled:
                within.setdefault(first, []).append(name)
        for first, sources in within.items():
            is_there = any(name.rank >= rank and days_of(span, name.day)[0] == first for name in there)
            is_large = any(sum(map(holdings.size, holdings.files(t, sources))) > MOST_BYTES for t in TABLES)
            fits = len(sources) <= at_once or (span == SPANS[0] and is_first)
            if len(sources) > 1 and fits and not is_there and not is_large:
                is_first = False
                at_once -= len(sources)
                free = [name for name in free if name not in sources]
                yield Name(span, max(name.newest for name in sources)), sources


def _is_checkpoint_due(home: Warehouse, holdings: Holdings, settled: date) -> bool:
    found = newest_checkpoint(home, holdings)
    covered = found.covers if found else frozenset()
    return sum(name not in covered for name in _covered(holdings, [], settled)) >= CHECKPOINT_EVERY


def _covered(holdings: Holdings, over: Iterable[Name], settled: date) -> list[Name]:
    """The commits of days to which nobody can publish any more."""
    gone = set(over)
    return [
        name for name in holdings.commits if name not in gone and days_of(name.span or "day", name.day)[1] <= settled
    ]


def write_checkpoint(home: Warehouse, holdings: Holdings, over: Iterable[Name], settled: date, now: datetime) -> None:
    """Writes what the commits up to a day say that still matters, those of the files that are `over` left out."""
    # From the commits themselves: snapshots that an earlier checkpoint names may have been joined since.
    covers = _covered(holdings, over, settled)
    rows = of_commits(home, holdings, covers, "checkpoint")
    told = json.dumps([str(name) for name in covers]).encode()
    path = f"{CHECKPOINTS}/{settled}-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}.parquet"
    with committed(home.storage.create(path)) as sink:
        pq.write_table(rows.replace_schema_metadata({COVERS: told}), sink, compression="zstd")


def of_commits(
    home: Warehouse, holdings: Holdings, names: Iterable[Name], query: str, parameters: dict[str, Any] | None = None
) -> pa.Table:
    """What a query of sql/upkeep tells of the commits in some files. Raises WarehouseError."""

    def sql(name: str) -> str:
        return (sql_folder() / "upkeep" / f"{name}.sql").read_text(encoding="utf-8")

    def ask() -> pa.Table:
        with open_connection(home) as connection:
            connection.execute("create schema raw")
            connection.execute(f"create view raw.extracts as {bound_scan(EXTRACTS, home, holdings, names)}")
            connection.execute(f"create view extracts as {committed_extracts()}")
            connection.execute(f"create view commit_looks as {sql('commit_looks')}")
            return connection.sql(sql(query), params=parameters).to_arrow_table()

    return answer(home, ask)


def _age(path: str, now: datetime) -> float:
    return (now.astimezone(UTC).replace(tzinfo=None) - checkpoint_made(path)).total_seconds()
