"""Who may go on: so many looks at once, where one that only waits does not count.

botocore sleeps between its attempts, and AWS may take a minute to answer; others have their turn meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

OVERDUE = 1.0
"""Seconds without a sign of life after which a look no longer holds up others."""


class OverError(Exception):
    """The sweep is over: whoever still looks stops."""


class Turns:
    """`limit` turns, some of them lent while who has them waits. `wake` is called when one becomes free."""

    def __init__(self, limit: int, wake: Callable[[], None], overdue: float = OVERDUE) -> None:
        self._free, self._wake, self._overdue = limit, wake, overdue
        self._changed = threading.Condition()
        self._taken: set[Turn] = set()
        self._returning = 0
        self._is_over = False

    def take(self) -> Turn | None:
        """A turn, if there is one that nobody waits to have back."""
        with self._changed:
            if self._free <= 0 or self._returning:
                return None
            self._free -= 1
            turn = Turn(self)
            self._taken.add(turn)
            return turn

    def lend_overdue(self) -> None:
        """Lends the turns of those of whom nothing was heard for too long: of AWS, most likely."""
        with self._changed:
            now = time.monotonic()
            for turn in [t for t in self._taken if now - t.alive_at > self._overdue]:
                self._lend(turn)

    def end(self) -> None:
        """Whoever asks for more is told that it is over."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _lend(self, turn: Turn) -> None:
        if turn in self._taken:
            self._taken.remove(turn)
            self._free += 1
            self._changed.notify()
            self._wake()

    def _have_back(self, turn: Turn) -> None:
        self._returning += turn not in self._taken
        while turn not in self._taken and not self._is_over:
            if self._free > 0:
                self._free -= 1
                self._returning -= 1
                self._taken.add(turn)
            else:
                self._changed.wait()
        if self._is_over:
            raise OverError
        if self._free > 0:
            self._wake()  # While somebody waited to have a turn back, nobody else was given one.


class Turn:
    """One look's turn, which its listing tells of its calls (see `appstream.Wire`)."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.alive_at = time.monotonic()

    def asked(self) -> None:
        """Before a call is made. Waits where the turn was lent. Raises OverError when the sweep is over."""
        with self._turns._changed:
            self._turns._have_back(self)
            self.alive_at = time.monotonic()

    def waits(self) -> None:
        """Lets another go first, until the next call is made."""
        with self._turns._changed:
            self._turns._lend(self)

    end = waits
