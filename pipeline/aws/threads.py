"""A map over daemon threads: a program that is told to stop does not wait for AWS to answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from pipeline.aws import bounds

Item = TypeVar("Item")
Result = TypeVar("Result")

GRACE = 2.0
"""Seconds after its deadline at which a call that has not noticed is given up."""


def map_at_once(function: Callable[[Item], Result], items: Sequence[Item], limit: int) -> list[Result]:
    """The function's results in the order of the items, up to `limit` at once. Raises the first error that comes up."""
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | BaseException]] = queue.SimpleQueue()
    over = threading.Event()
    deadline = bounds.deadline()
    for numbered in enumerate(items):
        waiting.put(numbered)

    def work() -> None:
        bounds.hold_to(deadline)
        try:
            while not over.is_set():
                number, item = waiting.get_nowait()
                try:
                    done.put((number, function(item)))
                except BaseException as error:
                    done.put((number, error))
        except queue.Empty:
            return

    for _ in range(min(limit, len(items))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, Result] = {}
    try:
        while len(results) < len(items):
            number, result = done.get()
            if isinstance(result, BaseException):
                raise result
            results[number] = result
    finally:
        over.set()
    return [results[number] for number in range(len(items))]


def call_within(seconds: float, what: str, function: Callable[[], Result]) -> Result:
    """The function's result, from a thread of its own, whose calls to AWS have so many seconds in all.

    Raises what the function does, and DeadlineExceededError, also where the thread waits for what has no bound, a
    program that fetches credentials for instance.
    """
    done: queue.SimpleQueue[tuple[bool, Result | BaseException]] = queue.SimpleQueue()

    def work() -> None:
        try:
            with bounds.within(seconds, what):
                done.put((True, function()))
        except BaseException as error:
            done.put((False, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        is_result, found = done.get(timeout=seconds + GRACE)
    except queue.Empty:
        raise bounds.deadline_exceeded(seconds, what) from None
    if not is_result:
        assert isinstance(found, BaseException)
        raise found
    return cast("Result", found)
