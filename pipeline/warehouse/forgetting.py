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

from pipeline.contract import EXTRACTS, TABLES
from pipeline.errors import ConfigurationError
from pipeline.warehouse.contents import Contents
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.joining import Join, Kept
from pipeline.warehouse.snapshot_ids import Name, days_of, unjoined_id
from pipeline.warehouse.storage import as_warehouse_error
from pipeline.warehouse.upkeep import SETTLED, of_commits, remove, write_checkpoint
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
        contents = Contents.of(home.storage, holdings)
        looks = _looks(home, holdings, contents, before, accounts, regions)
        gone = [look for look in looks if not look["is_kept"]]
        removed, rewritten = _files(holdings, contents, looks)
        days = sorted(look["snapshot_date"] for look in gone) or [None]
        told = Forgotten(
            len(gone),
            len({(look["account_id"], look["region"]) for look in gone}),
            days[0],
            days[-1],
            sum(len(holdings.files(table, removed)) for table in TABLES),
            sum(len(holdings.files(table, sources)) for sources in rewritten.values() for table in TABLES),
        )
        if dry_run or not gone:
            return told
        kept = _kept([look for look in looks if look["is_kept"]])
        for joined, sources in rewritten.items():
            lock.require()
            Join(home, holdings, joined, sources, contents.winners, Kept(kept)).write(lock)
        # What others supersede goes with it: it would be the answer again.
        over = [*removed, *(name for sources in rewritten.values() for name in sources)]
        over += [name for name in contents.superseded if name not in over]
        holdings = home.holdings()
        # The checkpoint must name what was written before what it supersedes is removed.
        write_checkpoint(home, holdings, over, settled, now)
        home.storage.remove(*holdings.of_fold)  # It tells of what is forgotten; the next run folds what is left.
        time.sleep(home.grace)
        lock.require()
        remove(home, holdings, over)
    return told


def _kept(looks: list[Look]) -> pa.Table:
    keys = [(unjoined_id(look["snapshot_id"]), look["account_id"], look["region"]) for look in looks]
    columns = zip(*keys, strict=True) if keys else ((), (), ())
    return pa.table(
        {
            name: pa.array(list(values), pa.string())
            for name, values in zip(("id", "account_id", "region"), columns, strict=True)
        }
    )


def _looks(
    home: Warehouse,
    holdings: Holdings,
    contents: Contents,
    before: date,
    accounts: Sequence[str],
    regions: Sequence[str],
) -> list[Look]:
    asked = {"before": before, "accounts": list(accounts), "regions": list(regions)}
    counting = contents.counting(holdings.names(EXTRACTS))
    rows: list[Look] = of_commits(home, holdings, counting, "kept", asked).to_pylist()
    return rows


def _files(holdings: Holdings, contents: Contents, looks: list[Look]) -> tuple[list[Name], dict[Name, list[Name]]]:
    """The files of which nothing is kept; and those of which some is, by the name of what is written in their place.

    What is kept of snapshots in files of their own goes to the file of their day, with all others of that day.
    """
    of_id: dict[str, list[bool]] = {}
    for look in looks:
        of_id.setdefault(look["snapshot_id"], []).append(look["is_kept"])
    removed: list[Name] = []
    rewritten: dict[Name, list[Name]] = {}
    for name in contents.counting(holdings.names(EXTRACTS)):
        is_kept = [kept for i in contents.ids[name] & contents.winners for kept in of_id.get(i, [])]
        if all(is_kept) or name in {source for sources in rewritten.values() for source in sources}:
            continue
        if not any(is_kept):
            removed.append(name)
        elif name.span:
            rewritten[_revised(holdings, name.span, name)] = [name]
        else:
            day = [n for n in contents.counting(holdings.names(EXTRACTS)) if n.rank <= 1 and n.day == name.day]
            rewritten[_revised(holdings, "day", day[-1])] = day
    in_others = {source for sources in rewritten.values() for source in sources}
    return [name for name in removed if name not in in_others], rewritten


def _revised(holdings: Holdings, span: str, name: Name) -> Name:
    """The name of what is left of a span: of a later revision than any file of it, committed or not."""
    first = days_of(span, name.day)[0]
    there = [
        n for table in TABLES for n in holdings.names(table) if n.span == span and days_of(span, n.day)[0] == first
    ]
    return Name(span, name.newest, max((n.revision for n in there), default=0) + 1)
