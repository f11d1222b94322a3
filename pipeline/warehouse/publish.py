"""Commits a snapshot of a window, and then removes what it supersedes and what dead runs left behind.

A snapshot exists from the moment its `extracts` file is there. Whichever process dies whenever, readers of committed
snapshots see the one before or the one after. docs/warehouse.md describes the steps.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import PurePosixPath

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS
from pipeline.errors import ClosedWindowError, WarehouseError
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.merge import Merge, Row
from pipeline.warehouse.publication import Publication, Published
from pipeline.warehouse.snapshot_ids import days_of, new_id, newest_of_each_window, path_of, window_of
from pipeline.warehouse.storage import SCRATCH, Held, LostLockError, Storage, as_warehouse_error
from pipeline.windows import Window

STALE_AFTER = 24 * 3600.0
"""Seconds after which a whole stream that nobody has published is taken for a dead run's."""

_ATTEMPTS = 5
_PAUSE = 0.3
"""Seconds before the second attempt, at most."""


@dataclass(frozen=True)
class Extracted:
    """What an extract step hands over: rows of `extracts`, and the path of its stream in the scratch folder."""

    rows: list[Row]
    stream: str


def publish(
    storage: Storage,
    holdings_now: Callable[[], Holdings],
    window: Window,
    extracted: Sequence[Extracted],
    now: Callable[[], datetime],
    run_id: str | None,
    grace: float,
) -> Published:
    """`Warehouse.publish` in a place; `holdings_now` tells what it holds.

    Should the lock be lost after all, because this process stood still for longer than its lease, another writer may
    commit to the window at the same time. Whoever is the second to commit finds the other's snapshot, of which its own
    knows nothing, and publishes once more on top of it.
    """
    attempt = _Attempt(storage, holdings_now, window, extracted, now, run_id, grace)
    for number in range(_ATTEMPTS):
        try:
            with storage.lock() as lock, as_warehouse_error("written", storage.location):
                storage.remove_dead()
                if published := attempt.publish(lock):
                    return published
            # Two that go on at the same pace would find each other again and again.
            time.sleep(random.uniform(0, _PAUSE * (number + 1)))
        except LostLockError:
            if number + 1 == _ATTEMPTS:
                raise
        except WarehouseError as error:
            if attempt.committed is None:
                raise
            return replace(attempt.committed, warnings=(_left_to_do(attempt.committed.snapshot_id, error),))
    raise WarehouseError(
        f"The warehouse {storage.location} was written by another run each time that this one had committed: run it "
        "again."
    )


@dataclass
class _Attempt:
    """A publication that may have to be made more than once: its looks, and the snapshots that it has committed."""

    storage: Storage
    holdings_now: Callable[[], Holdings]
    window: Window
    extracted: Sequence[Extracted]
    now: Callable[[], datetime]
    run_id: str | None
    grace: float
    own: set[str] = field(default_factory=set)
    committed: Published | None = None
    """What it has committed, as far as it is whole."""

    def publish(self, lock: Held) -> Published | None:
        """Commits a snapshot; None where another writer has committed to the window without knowing of it."""
        streams = [e.stream for e in self.extracted]
        holdings = self.holdings_now()
        _require_not_joined(self.storage, holdings, self.window)
        of_window = holdings.of_window(self.window.id)
        earlier = max(set(of_window) - self.own, default=None)
        merge = Merge.of([row for e in self.extracted for row in e.rows], _rows_of(self.storage, earlier))
        snapshot_id = new_id(self.window, self.now(), max(of_window, default=None))
        publication = Publication(self.storage, self.window, snapshot_id, earlier, merge, holdings)
        published = publication.write(streams, lock)
        self.own.add(snapshot_id)
        self.committed = published
        try:
            holdings = self.holdings_now()
            if not set(published.paths.values()) <= set(holdings.paths):
                # Another writer took its files for a dead run's.
                self.committed = None
                self.storage.remove(published.paths[EXTRACTS.name])
                return None
            if not set(holdings.of_window(self.window.id)) <= {*of_window, *self.own}:
                return None
            clean(self.storage, holdings, lock, streams, self.run_id, self.grace)
        except BaseException as error:  # An interrupt too: what was committed is told as committed.
            if self.committed is None:
                raise
            return replace(published, warnings=(_left_to_do(snapshot_id, error),))
        return published


def _require_not_joined(storage: Storage, holdings: Holdings, window: Window) -> None:
    """Raises ClosedWindowError where the window's snapshot was joined with others: nothing is added to it any more."""
    day = window.start.date()
    for name in holdings.names(EXTRACTS):
        first, last = days_of(name.span, name.day) if name.span else (date.max, date.min)
        if first <= day <= last:
            with storage.open(path_of(EXTRACTS, name)) as source:
                ids = pc.unique(pq.ParquetFile(source).read(["snapshot_id"])["snapshot_id"]).to_pylist()
            if any(window_of(snapshot_id) == window.id for snapshot_id in ids):
                raise ClosedWindowError(
                    f"Window {window.key} is over, and its snapshot was joined with others of its time: "
                    "nothing can be added to it."
                )


def _rows_of(storage: Storage, snapshot_id: str | None) -> list[Row]:
    if snapshot_id is None:
        return []
    with storage.open(path_of(EXTRACTS, snapshot_id)) as source:
        rows: list[Row] = pq.ParquetFile(source).read().to_pylist()
    return rows


def _left_to_do(snapshot_id: str, error: BaseException) -> str:
    why = str(error).rstrip(".") or type(error).__name__
    return (
        f"The snapshot {snapshot_id} is committed, but what it supersedes could not be removed ({why}): the next run "
        "does it, and until then who reads the bare files sees both."
    )


def clean(
    storage: Storage,
    holdings: Holdings,
    lock: Held,
    streams: Collection[str],
    run_id: str | None,
    grace: float,
) -> None:
    """Removes superseded snapshots, files without a commit, and what is left of streams.

    Readers that have just listed a superseded snapshot get `grace` seconds to open its files. A file without a commit
    is a dead run's: only the holder of the lock writes any.
    """
    own = [name for name in holdings.names(EXTRACTS) if not name.span]
    newest = set(newest_of_each_window(name.newest for name in own))
    superseded = [name for name in own if name.newest not in newest]
    # The streams first: they are the largest, and nobody reads them.
    storage.remove(*streams, *_dead_streams(storage, holdings, streams, run_id))
    if superseded:
        time.sleep(grace)
    lock.require()
    # The commits go first: while one is there, its data must be too.
    storage.remove(*holdings.files(EXTRACTS, superseded))
    kept = set(holdings.names(EXTRACTS)) - set(superseded)
    dead = [p for t in DATA_TABLES for p in holdings.files(t, [n for n in holdings.names(t) if n not in kept])]
    if dead:
        storage.remove(*dead)


def _dead_streams(storage: Storage, holdings: Holdings, streams: Collection[str], run_id: str | None) -> list[str]:
    others = [path for path in holdings.paths if path.startswith(f"{SCRATCH}/") and path not in streams]
    return [
        path
        for path in others
        if (run_id and PurePosixPath(path).name.startswith(run_id)) or storage.age(path) > STALE_AFTER
    ]
