"""A semaphore whose slots are lent: `limit` looks work at once, and one that only waits for AWS does not count.

botocore sleeps between its attempts, and AWS may take a minute to answer; other looks proceed meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

OVERDUE = 1.0
"""Seconds without a sign of life after which a look's slot is lent to another."""


class SweepOverError(Exception):
    """The sweep has ended, or has given a look up: if it is still under way, it stops."""


class Slots:
    """A semaphore of `limit` slots. A holder that is blocked on AWS lends its slot to another look.

    `wake` is called when a slot becomes free.
    """

    def __init__(self, limit: int, wake: Callable[[], None], overdue: float = OVERDUE) -> None:
        self._free, self._wake, self._overdue = limit, wake, overdue
        self._changed = threading.Condition()
        self._held: set[Slot] = set()
        self._returning = 0
        """Holders that wait to have their slot back."""
        self._is_closed = False

    def acquire(self) -> Slot | None:
        """A slot, if one is free that no earlier holder waits to have back."""
        with self._changed:
            if self._free <= 0 or self._returning:
                return None
            self._free -= 1
            slot = Slot(self)
            self._held.add(slot)
            return slot

    def lend_overdue(self) -> None:
        """Lends the slots of holders that gave no sign of life for too long: most likely they wait for AWS."""
        with self._changed:
            now = time.monotonic()
            for slot in [s for s in self._held if now - s.alive_at > self._overdue]:
                self._lend(slot)

    def close(self) -> None:
        """From now on, a holder that is about to make a call gets a SweepOverError."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _lend(self, slot: Slot) -> None:
        if slot in self._held:
            self._held.remove(slot)
            self._free += 1
            self._changed.notify()
            self._wake()

    def _take_back(self, slot: Slot) -> None:
        self._returning += slot not in self._held
        while slot not in self._held and not self._is_closed and not slot.is_given_up:
            if self._free > 0:
                self._free -= 1
                self._returning -= 1
                self._held.add(slot)
            else:
                self._changed.wait()
        if self._is_closed or slot.is_given_up:
            if slot not in self._held:
                self._returning -= 1
            raise SweepOverError
        if self._free > 0:
            self._wake()  # Nobody else was given a slot while a holder waited to have its own back.


class Slot:
    """One look's slot. Its listing tells it of calls and waits (it is a `wire.CallListener`)."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.alive_at = time.monotonic()
        self.is_given_up = False

    def give_up(self) -> None:
        """Frees the slot for good: its look gets a SweepOverError at its next call."""
        with self._slots._changed:
            self.is_given_up = True
            self._slots._lend(self)
            self._slots._changed.notify_all()

    def before_call(self) -> None:
        """Waits for the slot where it was lent. Raises SweepOverError when the sweep has ended, or the look's time."""
        with self._slots._changed:
            self._slots._take_back(self)
            self.alive_at = time.monotonic()

    def waiting(self) -> None:
        """Lends the slot until the next call is made."""
        with self._slots._changed:
            self._slots._lend(self)

    release = waiting
