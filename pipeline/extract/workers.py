"""The threads of a sweep, and the queue of looks that they work off."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Iterator

from pipeline.extract.look import Look
from pipeline.extract.slots import Slot, Slots, SweepOverError

WAITING_PER_SLOT = 7
"""Looks that may wait for AWS or for a pause, for each that is at work: each of them costs a thread."""


_BETWEEN_CHECKS = 0.1
"""Seconds between two checks that go through all looks."""


class LookQueue:
    """Looks that wait to proceed: first those whose pause is over, then new ones, last those that were put off."""

    def __init__(self, new: Iterator[Look]) -> None:
        self._new = new
        self._next: Look | None = None
        self._pausing: list[tuple[float, int, Look]] = []
        self._order = itertools.count()
        self._put_off: list[Look] = []

    def next(self) -> Look | None:
        """The look that can proceed next, if any. It stays in the queue until it is taken."""
        if self._pausing and self._pausing[0][0] <= time.monotonic():
            return self._pausing[0][2]
        if self._next is None:
            self._next = next(self._new, None)
        return self._next

    def take(self, look: Look) -> None:
        """Removes the look that `next` returned."""
        if look is self._next:
            self._next = None
        else:
            heapq.heappop(self._pausing)

    def pause(self, look: Look, seconds: float) -> None:
        """Queues a look for some seconds from now."""
        heapq.heappush(self._pausing, (time.monotonic() + seconds, next(self._order), look))

    def put_off(self, look: Look) -> None:
        """Queues a look for when all others have ended."""
        self._put_off.append(look)

    def start_over(self) -> bool:
        """Has the looks that were put off start over; False when there are none."""
        looks, self._put_off = self._put_off, []
        for look in looks:
            look.start_over()
        self._new = iter(looks)
        return bool(looks)

    @property
    def seconds_to_wait(self) -> float:
        """Seconds until the next pause is over, never quite 0 while a look pauses; 0 when none does."""
        return max(0.001, self._pausing[0][0] - time.monotonic()) if self._pausing else 0.0


class Workers:
    """Threads in which looks proceed. They are daemons: a program that is told to stop does not wait for AWS."""

    def __init__(self, concurrency: int) -> None:
        self.busy = 0
        self._limit = concurrency * (1 + WAITING_PER_SLOT)
        self._jobs: queue.SimpleQueue[tuple[Look, Slot] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[tuple[Look, float | None] | BaseException | None] = queue.SimpleQueue()
        self._slots = Slots(concurrency, lambda: self._news.put(None))
        self._threads = 0
        self._due = {"slots": 0.0, "looks": 0.0}
        self._proceeding: dict[Look, Slot] = {}
        """The looks that threads are at. Who removes one decides how it goes on: its thread, or `overdue`."""

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._slots.close()
        for _thread in range(self._threads):
            self._jobs.put(None)

    def try_start(self, look: Look) -> bool:
        """Lets a look proceed, if a slot is free."""
        if self.busy >= self._limit or not (slot := self._slots.acquire()):
            return False
        self.busy += 1
        self._proceeding[look] = slot
        if self.busy > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name=f"look-{self._threads}", daemon=True).start()
        self._jobs.put((look, slot))
        return True

    def stopped(self, seconds: float) -> Iterator[tuple[Look, float | None]]:
        """The looks that have stopped since, each with its pause (None at its end); waits up to `seconds` for one."""
        if self._is_time_for("slots"):
            self._slots.lend_overdue()
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

    def overdue(self) -> list[Look]:
        """The looks whose time is over, and whose threads still wait for something: both are given up."""
        given_up: list[Look] = []
        if not self._is_time_for("looks"):
            return given_up
        for look in [look for look in tuple(self._proceeding) if look.is_overdue]:
            if slot := self._proceeding.pop(look, None):
                slot.give_up()
                self.busy -= 1
                self._threads -= 1
                given_up.append(look)
        return given_up

    def _is_time_for(self, what: str) -> bool:
        """Whether a check that goes through all looks is due: at each news it would take longer than the news."""
        now = time.monotonic()
        is_due = now >= self._due[what]
        if is_due:
            self._due[what] = now + _BETWEEN_CHECKS
        return is_due

    def _work(self) -> None:
        while job := self._jobs.get():
            look, slot = job
            try:
                pause = look.proceed(slot)
            except SweepOverError:
                return
            except BaseException as error:  # A bug here must not leave the sweep waiting for ever.
                self._news.put(error)
                return
            finally:
                slot.release()
            if self._proceeding.pop(look, None) is None:
                return  # It was given up.
            self._news.put((look, pause))
