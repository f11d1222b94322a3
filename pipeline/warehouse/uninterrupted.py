"""Runs what must not be left half known: an interrupt waits until it has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable

_under_way = _done = 0
_counting = threading.Lock()


def _count(under_way: int = 0, done: int = 0) -> None:
    global _under_way, _done
    with _counting:
        _under_way, _done = _under_way + under_way, _done + done


def progress() -> tuple[bool, int]:
    """Whether such an action is under way now, and how many this process has done."""
    return _under_way > 0, _done


def uninterrupted(action: Callable[[], None]) -> None:
    """Runs an action to its end in a thread of its own, which no signal reaches, and raises what it raises.

    An interrupt that comes meanwhile is raised only where the action failed: what it did is done.
    """
    failure: list[BaseException] = []

    def run() -> None:
        _count(under_way=1)
        try:
            action()
            _count(done=1)
        except BaseException as error:
            failure.append(error)
        finally:
            _count(under_way=-1)

    thread = threading.Thread(target=run, name="uninterrupted")
    interrupt: BaseException | None = None
    try:
        thread.start()
    except BaseException as error:  # KeyboardInterrupt, or Dagster's own.
        if thread.ident is None:
            raise
        interrupt = error
    is_over = False
    while not is_over:
        try:
            thread.join()
            is_over = True
        except BaseException as error:
            interrupt = error
    if failure:
        raise interrupt or failure[0]
