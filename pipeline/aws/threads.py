"""A map over daemon threads: a program that is told to stop does not wait for AWS to answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_at_once(function: Callable[[Item], Result], items: Sequence[Item], limit: int) -> list[Result]:
    """The function's results in the order of the items, up to `limit` at once. Raises the first error that comes up."""
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | BaseException]] = queue.SimpleQueue()
    over = threading.Event()
    for numbered in enumerate(items):
        waiting.put(numbered)

    def work() -> None:
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
