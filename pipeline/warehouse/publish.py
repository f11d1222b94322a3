"""Commits a snapshot of a window, and then removes what it supersedes and what dead runs left behind.

A snapshot exists from the moment its `extracts` file is there. Whichever process dies whenever, readers of committed
snapshots see the one before or the one after. docs/warehouse.md describes the steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.merge import Merge, Row
from pipeline.warehouse.publication import Publication, Published
from pipeline.warehouse.snapshot_ids import new_id, newest_of_each_window, path_of
from pipeline.warehouse.storage import SCRATCH, Held, Storage, as_warehouse_error
from pipeline.windows import Window

STALE_AFTER = 24 * 3600.0
"""Seconds after which a whole stream that nobody has published is taken for a dead run's."""

_ATTEMPTS = 5


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
    streams = [e.stream for e in extracted]
    looks = [row for e in extracted for row in e.rows]
    own: set[str] = set()
    with storage.lock() as lock, as_warehouse_error("written", storage.location):
        storage.remove_dead()
        holdings = holdings_now()
        for _ in range(_ATTEMPTS):
            of_window = holdings.of_window(window.id)
            earlier = max(set(of_window) - own, default=None)
            merge = Merge.of(looks, _rows_of(storage, earlier))
            snapshot_id = new_id(window, now(), max(of_window, default=None))
            published = Publication(storage, window, snapshot_id, earlier, merge, holdings).write(streams, lock)
            own.add(snapshot_id)
            try:
                holdings = Holdings(storage.location, storage.sizes())
                is_whole = set(published.paths.values()) <= set(holdings.paths)
                if is_whole and set(holdings.of_window(window.id)) <= {*of_window, *own}:
                    clean(storage, holdings, lock, streams, run_id, grace)
                    return published
                if not is_whole:  # Another writer took its files for a dead run's.
                    storage.remove(published.paths[EXTRACTS.name])
            except BaseException as error:  # An interrupt too: what was committed is told as committed.
                return replace(published, warnings=(_left_to_do(snapshot_id, error),))
    return published


def _rows_of(storage: Storage, snapshot_id: str | None) -> list[Row]:
    if snapshot_id is None:
        return []
    with storage.open(path_of(EXTRACTS, snapshot_id)) as source:
        rows: list[Row] = pq.read_table(source).to_pylist()
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
