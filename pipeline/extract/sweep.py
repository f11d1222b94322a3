"""Looks at many targets at once, each on its own: none delays another, or hides or spoils its rows.

Nothing here knows Dagster or the warehouse: rows go to a stream of Arrow batches, the rows of `extracts` are returned.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from pipeline.aws import Access, failures
from pipeline.extract.limits import LookLimits
from pipeline.extract.listing import Selection
from pipeline.extract.look import Look, Row
from pipeline.extract.options import LookOptions, RetryPolicy
from pipeline.extract.spool import SPOOL_ROWS, ReceivedPage, Spool, looked
from pipeline.extract.workers import LookQueue, Workers
from pipeline.targets import Target

_TICK = 0.25
"""Seconds after which, without any news, progress is reported and overdue replies are looked for."""


class Sink(Protocol):
    """Takes the rows of looks, as batches of the schema `contract.LOOKED`; an Arrow stream writer is one."""

    def write_batch(self, batch: pa.RecordBatch) -> None: ...


@dataclass
class Progress:
    """How far a sweep has come. Many threads add to it, under a lock."""

    targets: int
    done: int = 0
    failed: int = 0
    builders: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, done: int = 0, failed: int = 0, builders: int = 0) -> None:
        with self._lock:
            self.done += done
            self.failed += failed
            self.builders += builders


@dataclass(frozen=True)
class Sweep:
    """How to look at targets.

    `now` is the clock; `concurrency` the number of looks at work at once, those that wait for AWS not counted;
    `report` is called with the progress, from one thread, at every news and now and then; `tags`: the image builders'
    tags are asked for too.
    """

    access: Access
    now: Callable[[], datetime]
    selection: Selection = field(default_factory=Selection)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int = 32
    run_id: str | None = None
    report: Callable[[Progress], None] = lambda progress: None
    tags: bool = False
    limits: LookLimits = field(default_factory=LookLimits)

    def run(self, targets: Sequence[Target], sink: Sink) -> list[Row]:
        """Looks at every target; the rows of looks that succeed go to `sink`, each look's all at once.

        A look has one page in flight, because AWS throttles by account and region. A page that fails for a passing
        reason is fetched again after a pause; a look that goes on failing starts over once, when all others are done.
        If it fails then, its row says so: what happens to a target is never raised. A look whose time is over is given
        up, whatever its thread waits for.

        Returns the rows of `extracts` in the order of `targets`, without the columns that the snapshot adds.
        An error raised in this thread ends the sweep at once: looks under way stop at their next call.
        """
        progress = Progress(len(targets))
        options = LookOptions(
            self.access,
            self.now,
            self.selection,
            self.retry_policy,
            self.run_id,
            lambda builders: progress.add(builders=builders),
            self.tags,
            self.limits,
        )
        rows: dict[Target, Row] = {}
        batches = _Batches(sink)
        for look, spool in self._ended(_spread(targets), options, lambda: self.report(progress)):
            rows[look.target] = row = look.row
            if spool:
                with spool:
                    batches.add(spool)
            progress.add(done=1, failed=row["status"] != "ok")
            self.report(progress)
        batches.flush()
        return _mark_regions_not_enabled([rows[target] for target in targets])

    def _ended(
        self, targets: Sequence[Target], options: LookOptions, tick: Callable[[], None]
    ) -> Iterator[tuple[Look, Spool | None]]:
        """The looks, each when it has ended, and its rows; without them, when it was given up."""
        waiting = LookQueue(Look(target, options) for target in targets)
        with Workers(self.concurrency) as workers:
            while True:
                while (look := waiting.next()) and workers.try_start(look):
                    waiting.take(look)
                if not (look or workers.busy or waiting.seconds_to_wait):
                    if not waiting.start_over():
                        return
                    continue
                for look, pause in workers.stopped(min(waiting.seconds_to_wait or _TICK, _TICK)):
                    if pause is not None:
                        waiting.pause(look, pause)
                    elif look.may_start_over:
                        waiting.put_off(look)
                    else:
                        yield look, look.spool
                for look in workers.overdue():
                    look.give_up()
                    yield look, None
                tick()


class _Batches:
    """Gathers the pages of many small looks into batches of a size that is worth writing."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pages: list[ReceivedPage] = []
        self._rows = 0

    def add(self, spool: Spool) -> None:
        for received in spool.pages():
            self._pages.append(received)
            self._rows += len(received[1])
        if self._rows >= SPOOL_ROWS:
            self.flush()
        for batch in spool.batches():
            self._sink.write_batch(batch)

    def flush(self) -> None:
        if self._pages:
            self._sink.write_batch(looked(self._pages))
        self._pages, self._rows = [], 0


def _spread(targets: Sequence[Target]) -> list[Target]:
    """One target of every account, then a second of each, so that few looks wait for the same role at once.

    Each account begins where the one before has its next region, so that few need a connection to the same region at
    once: as many connections as looks are enough for all, where each region would need as many otherwise.
    """
    by_account: dict[str, list[Target]] = {}
    for target in targets:
        by_account.setdefault(target.account_id, []).append(target)
    turned = [own[number % len(own) :] + own[: number % len(own)] for number, own in enumerate(by_account.values())]
    return [target for targets in itertools.zip_longest(*turned) for target in targets if target]


def _mark_regions_not_enabled(rows: list[Row]) -> list[Row]:
    """Sets the status of regions that do not recognize credentials which are good elsewhere in their account.

    A region that the account has not opted in to answers no more than that (AWS Account Management Guide, Regions).
    """
    good = {row["account_id"]: row["region"] for row in rows if row["status"] == "ok"}
    for row in rows:
        if row["error_code"] in failures.NOT_RECOGNIZED and (elsewhere := good.get(row["account_id"])):
            row["status"] = "not_enabled"
            row["error_message"] += f" (These credentials are good in {elsewhere}; the region may not be enabled.)"
    return rows
