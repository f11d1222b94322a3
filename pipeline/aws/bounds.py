"""Bounds on what AWS, or whatever stands between, may take of a program: time, pages, bytes.

A read timeout bounds the wait for the next byte and not the reply: one byte every two seconds never ends. So a thread
has a deadline, which `replies` holds every reply to; and a listing has a most of pages.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_thread = threading.local()

Deadline = tuple[float, float, str]
"""A moment of the monotonic clock; the seconds that were given, and what for."""

DEADLINE = 900.0
"""Seconds that a look at one target may take, and whatever else AWS is asked for as one thing: a plan, a price list."""

BRIEF_DEADLINE = 60.0
"""Seconds for what a plan, or a look, asks of AWS beside its subject: whose credentials these are, for instance."""

REPEATS = 50
"""Pages in a row that tell nothing new after which a listing counts as one without an end."""

MOST_PAGES = 50_000
"""Pages of a listing."""


class BoundError(Exception):
    """Something took more than it may. `status` and `code` are those of `extracts`."""

    status = "network"
    is_transient = False

    @property
    def code(self) -> str:
        return type(self).__name__.removesuffix("Error")


class DeadlineExceededError(BoundError):
    """The time is over."""


class SlowReplyError(BoundError):
    """A reply comes more slowly than any that is of use."""

    is_transient = True


class LargeReplyError(BoundError):
    """A reply is larger than any of AWS's."""

    status = "malformed"


class EndlessListingError(BoundError):
    """A listing does not end, or tells the same again and again under new tokens."""

    status = "malformed"


@contextmanager
def within(seconds: float, what: str, whole: float | None = None) -> Iterator[None]:
    """Gives this thread's calls to AWS so many seconds in all, or fewer where it has fewer left already.

    `what` they are for is said by the DeadlineExceededError that a call then raises, "a look at one target" for
    instance, with how many seconds that may take as a `whole`, where these are what is left of them.
    """
    before = deadline()
    mine = (time.monotonic() + seconds, whole or seconds, what)
    _thread.deadline = min(before, mine) if before else mine
    try:
        yield
    finally:
        _thread.deadline = before


def deadline() -> Deadline | None:
    """The deadline of this thread, for others that work for it; see `hold_to`."""
    return getattr(_thread, "deadline", None)


def hold_to(given: Deadline | None) -> None:
    """Makes the deadline of another thread that of this one."""
    _thread.deadline = given


def seconds_left() -> float | None:
    """The seconds that this thread has left, None for any number. Raises DeadlineExceededError when there are none."""
    if (given := deadline()) is None:
        return None
    moment, seconds, what = given
    if (left := moment - time.monotonic()) <= 0:
        raise deadline_exceeded(seconds, what)
    return left


def deadline_exceeded(seconds: float, what: str) -> DeadlineExceededError:
    return DeadlineExceededError(f"{what[:1].upper()}{what[1:]} may take {seconds:,.0f} seconds, and they are over.")


class Repeats:
    """Notices a listing that goes round in a circle, or tells the same page again and again under new tokens."""

    def __init__(self, most: int = REPEATS) -> None:
        self._most = most
        self._known: set[int] = set()
        self._in_a_row = 0

    def add(self, content: object) -> None:
        """Notes what a page tells. Raises EndlessListingError when too many in a row told nothing new."""
        key = hash(content)
        self._in_a_row = self._in_a_row + 1 if key in self._known else 0
        self._known.add(key)
        if self._in_a_row >= self._most:
            raise EndlessListingError(
                f"AWS sent {self._in_a_row} pages in a row that it had sent before, under new tokens, so the listing "
                "has no end."
            )


def pages_of(
    pages: Iterable[dict[str, Any]], token: str = "NextToken", most: int = MOST_PAGES
) -> Iterator[dict[str, Any]]:
    """The pages of one of boto3's paginators, which itself notices only a token that comes twice in a row.

    Raises EndlessListingError.
    """
    repeats = Repeats()
    beside = ("ResponseMetadata", token)
    for number, page in enumerate(pages, start=1):
        if number > most:
            raise EndlessListingError(f"AWS sent more than {most:,} pages, so the listing has no end.")
        told = {name: value for name, value in page.items() if name not in beside}
        repeats.add(json.dumps(told, sort_keys=True, default=str))
        yield page
