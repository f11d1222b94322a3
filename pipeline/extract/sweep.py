"""Many targets at once, each on its own: none holds up, hides or spoils another.

It knows neither Dagster nor the warehouse: rows go to a stream of Arrow batches, the `extracts` rows are returned.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from pipeline.aws import failures
from pipeline.aws.credentials import Access
from pipeline.extract.listing import Selection
from pipeline.extract.look import How, Look, Patience, Row
from pipeline.extract.slots import OverError, Turn, Turns
from pipeline.extract.spool import SPOOL_ROWS, Received, Spool, looked
from pipeline.targets.planning import Target

WAITING_FOR_EACH = 7
"""Looks that may wait, for AWS or for a pause to end, for each that is at work: each of them costs a thread."""

_TICK = 0.25
"""Seconds after which, without any news, progress is reported and overdue answers are looked for."""


class Sink(Protocol):
    """Takes the rows of looks, of the schema `LOOKED`; an Arrow stream writer is one."""

    def write_batch(self, batch: pa.RecordBatch) -> None: ...


@dataclass
class Progress:
    """How far a sweep has come. Written from many threads, each number under the lock."""

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

    `now` is the clock; `concurrency` how many targets are at work at once, those that wait for AWS longer than it
    should take not counted; `report` is told of progress, from one thread, whenever there is news and now and then;
    `tags` says whether the image builders' tags are asked for too.
    """

    access: Access
    now: Callable[[], datetime]
    selection: Selection = field(default_factory=Selection)
    patience: Patience = field(default_factory=Patience)
    concurrency: int = 32
    run_id: str | None = None
    report: Callable[[Progress], None] = lambda progress: None
    tags: bool = False

    def run(self, targets: Sequence[Target], sink: Sink) -> list[Row]:
        """Looks at every target; the rows of those that were seen go to `sink`, whole ones only.

        Each has one page in flight, as AWS throttles by account and region. A page that fails for a passing reason
        is taken up again after a pause; a target that goes on failing is looked at once more from the start when all
        others are done. Then it is a row that says so: nothing that a target does is raised.

        Returns the rows of `extracts`, in the order of `targets`, without the columns that the snapshot gives.
        Whatever is raised in this thread ends the sweep at once: looks under way stop at their next call.
        """
        progress = Progress(len(targets))
        how = How(
            self.access,
            self.now,
            self.selection,
            self.patience,
            self.run_id,
            lambda builders: progress.add(builders=builders),
            self.tags,
        )
        rows: dict[Target, Row] = {}
        pending = _Pending(sink)
        for look in self._over(_spread(targets), how, lambda: self.report(progress)):
            rows[look.target] = look.row
            with look.spool:
                pending.take(look.spool)
            progress.add(done=1, failed=look.failure is not None)
            self.report(progress)
        pending.flush()
        return _told_apart([rows[target] for target in targets])

    def _over(self, targets: Sequence[Target], how: How, tick: Callable[[], None]) -> Iterator[Look]:
        """The looks that have come to their end, as they do."""
        waiting = _Waiting(Look(target, how) for target in targets)
        with _Crew(self.concurrency) as crew:
            while True:
                while (look := waiting.next()) and crew.can_take(look):
                    waiting.taken(look)
                if not (look or crew.busy or waiting.pause):
                    if not waiting.start_over():
                        return
                    continue
                for look, seconds in crew.news(min(waiting.pause or _TICK, _TICK)):
                    if seconds is not None:
                        waiting.rest(look, seconds)
                    elif look.failure and look.failure.is_transient and not look.has_started_over:
                        waiting.put_off(look)
                    else:
                        yield look
                tick()


class _Waiting:
    """Looks that wait for their turn: those whose pause is over first, then the fresh, at last those put off."""

    def __init__(self, fresh: Iterator[Look]) -> None:
        self._fresh = fresh
        self._next: Look | None = None
        self._resting: list[tuple[float, int, Look]] = []
        self._order = itertools.count()
        self._put_off: list[Look] = []

    def next(self) -> Look | None:
        """The look that comes next, if one can go on now; it stays until it is taken."""
        if self._resting and self._resting[0][0] <= time.monotonic():
            return self._resting[0][2]
        if self._next is None:
            self._next = next(self._fresh, None)
        return self._next

    def taken(self, look: Look) -> None:
        if look is self._next:
            self._next = None
        else:
            heapq.heappop(self._resting)

    def rest(self, look: Look, seconds: float) -> None:
        heapq.heappush(self._resting, (time.monotonic() + seconds, next(self._order), look))

    def put_off(self, look: Look) -> None:
        """Until all others have come to their end."""
        self._put_off.append(look)

    def start_over(self) -> bool:
        """Has those that were put off wait anew; False when there are none."""
        looks, self._put_off = self._put_off, []
        for look in looks:
            look.start_over()
        self._fresh = iter(looks)
        return bool(looks)

    @property
    def pause(self) -> float:
        """Seconds until the next pause is over, a little more than none if it is; 0 when nobody rests."""
        return max(0.001, self._resting[0][0] - time.monotonic()) if self._resting else 0.0


class _Crew:
    """Threads that let looks go on. They are daemons: a program that is told to stop does not wait for AWS."""

    def __init__(self, concurrency: int) -> None:
        self.busy = 0
        self._limit = concurrency * (1 + WAITING_FOR_EACH)
        self._jobs: queue.SimpleQueue[tuple[Look, Turn] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[tuple[Look, float | None] | BaseException | None] = queue.SimpleQueue()
        self._turns = Turns(concurrency, lambda: self._news.put(None))
        self._threads = 0

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._turns.end()
        for _thread in range(self._threads):
            self._jobs.put(None)

    def can_take(self, look: Look) -> bool:
        """Lets a look go on, if it can now."""
        if self.busy >= self._limit or not (turn := self._turns.take()):
            return False
        self.busy += 1
        if self.busy > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name=f"look-{self._threads}", daemon=True).start()
        self._jobs.put((look, turn))
        return True

    def news(self, seconds: float) -> Iterator[tuple[Look, float | None]]:
        """The looks that have stopped since, each with its pause; waits so long for the first of them."""
        self._turns.lend_overdue()
        try:
            news = self._news.get(timeout=seconds)
            while True:
                if isinstance(news, BaseException):
                    raise news
                if news:
                    self.busy -= 1
                    yield news
                news = self._news.get_nowait()
        except queue.Empty:
            return

    def _work(self) -> None:
        while job := self._jobs.get():
            look, turn = job
            try:
                pause = look.go_on(turn)
            except OverError:
                return
            except BaseException as error:  # A mistake of ours; without this the sweep would wait for ever.
                self._news.put(error)
                return
            finally:
                turn.end()
            self._news.put((look, pause))


class _Pending:
    """What was seen of many targets, gathered into batches that are worth their while."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pages: list[Received] = []
        self._rows = 0

    def take(self, spool: Spool) -> None:
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
    """Every account's first region, then every account's second: no account's role is waited for by many at once."""
    seen: dict[str, Iterator[int]] = {}
    numbered = [(next(seen.setdefault(target.account_id, itertools.count())), target) for target in targets]
    return [target for _, target in sorted(numbered, key=lambda pair: pair[0])]


def _told_apart(rows: list[Row]) -> list[Row]:
    """Says of regions that do not know credentials which are good elsewhere that they are not enabled.

    That is all that a region tells which the account has not opted in to (AWS Account Management Guide, Regions).
    """
    good = {row["account_id"]: row["region"] for row in rows if row["status"] == "ok"}
    for row in rows:
        if row["error_code"] in failures.NOT_RECOGNIZED and (elsewhere := good.get(row["account_id"])):
            row["status"] = "not_enabled"
            row["error_message"] += f" (These credentials are good in {elsewhere}; the region may not be enabled.)"
    return rows
