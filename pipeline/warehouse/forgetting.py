"""Forgets old looks: rows of every table go, the newest look at each target stays.

As when days are joined, what is kept of a file is written to another one, proven, and supersedes it; then the old one
is removed. A process may die after any step: what was to be forgotten is forgotten by the next call.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from pipeline import sql_folder
from pipeline.contract import EXTRACTS, TABLES
from pipeline.errors import ConfigurationError
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.joining import Kept, join
from pipeline.warehouse.raw_tables import bound_scan
from pipeline.warehouse.scan import answer, committed_extracts, open_connection
from pipeline.warehouse.snapshot_ids import Name, file_of, unjoined_id
from pipeline.warehouse.storage import as_warehouse_error
from pipeline.warehouse.upkeep import SETTLED, remove, write_checkpoint
from pipeline.warehouse.warehouse import Warehouse

Look = dict[str, Any]


@dataclass(frozen=True)
class Forgotten:
    """What is forgotten: looks (rows of `extracts`), at how many targets, of which days; files that go, and that are
    written anew without it.
    """

    looks: int
    targets: int
    first: date | None
    last: date | None
    files_removed: int
    files_rewritten: int


def forget(
    home: Warehouse,
    before: date,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
    dry_run: bool = False,
    now: datetime | None = None,
) -> Forgotten:
    """Forgets the looks of windows that began before a day (UTC), all or those at some accounts and regions; with
    `dry_run`, tells what that would be.

    The newest look at each target stays, and all that `image_builders_current` tells. Raises WarehouseError, and
    ConfigurationError for a day that can still be written to.
    """
    now = now or datetime.now(UTC)
    settled = (now.astimezone(UTC) - SETTLED).date()
    if before > settled:
        raise ConfigurationError(
            f"Looks before {before} cannot be forgotten yet: {settled} is the latest day for that."
        )
    with home.storage.lock() as lock, as_warehouse_error("written", home.location):
        holdings = home.holdings()
        looks = _looks(home, holdings, before, accounts, regions)
        gone = [look for look in looks if not look["is_kept"]]
        removed, rewritten = _files(holdings, looks)
        days = sorted(look["snapshot_date"] for look in gone) or [None]
        told = Forgotten(
            len(gone),
            len({(look["account_id"], look["region"]) for look in gone}),
            days[0],
            days[-1],
            sum(len(holdings.files(table, removed)) for table in TABLES),
            sum(len(holdings.files(table, sources)) for sources in rewritten.values() for table in TABLES),
        )
        if dry_run or not (removed or rewritten):
            return told
        keys = [
            (unjoined_id(look["snapshot_id"]), look["account_id"], look["region"]) for look in looks if look["is_kept"]
        ]
        kept = pa.table(dict(zip(("id", "account_id", "region"), map(list, zip(*keys, strict=True)), strict=True)))
        for joined, sources in rewritten.items():
            lock.require()
            join(home, holdings, joined, sources, Kept(kept))
        over = [*removed, *(name for sources in rewritten.values() for name in sources)]
        holdings = home.holdings()
        # The checkpoint must name what was written before what it supersedes is removed.
        write_checkpoint(home, holdings, over, settled, now)
        time.sleep(home.grace)
        lock.require()
        remove(home, holdings, over)
    return told


def _looks(
    home: Warehouse, holdings: Holdings, before: date, accounts: Sequence[str], regions: Sequence[str]
) -> list[Look]:
    query = (sql_folder() / "upkeep" / "kept.sql").read_text(encoding="utf-8")
    asked = {"before": before, "accounts": list(accounts), "regions": list(regions)}

    def ask() -> list[Look]:
        with open_connection(home) as connection:
            connection.execute("create schema raw")
            connection.execute(f"create view raw.extracts as {bound_scan(EXTRACTS, home, holdings, holdings.commits)}")
            connection.execute(f"create view extracts as {committed_extracts()}")
            rows: list[Look] = connection.sql(query, params=asked).to_arrow_table().to_pylist()
        return rows

    return answer(home, ask)


def _files(holdings: Holdings, looks: list[Look]) -> tuple[list[Name], dict[Name, list[Name]]]:
    """The files of which nothing is kept; and those of which some is, by the name of what is written in their place.

    What is kept of snapshots in files of their own goes to the file of their day.
    """
    of_file: dict[Name, list[bool]] = {}
    known = {file_of(name): name for name in holdings.commits}
    for look in looks:
        name = known[file_of(look["snapshot_id"])]
        of_file.setdefault(name, []).append(look["is_kept"])
    removed = [name for name in holdings.commits if name in of_file and not any(of_file[name])]
    rewritten: dict[Name, list[Name]] = {}
    for name, is_kept in of_file.items():
        if all(is_kept) or not any(is_kept):
            continue
        if name.span:
            rewritten[Name(name.span, name.newest, name.revision + 1)] = [name]
            continue
        day = [n for n in holdings.commits if (n.span or "day") == "day" and n.day == name.day]
        before = max((n.revision + 1 for n in day if n.span), default=0)
        rewritten[Name("day", max(n.newest for n in day), before)] = [n for n in day if n not in removed]
    return removed, rewritten
