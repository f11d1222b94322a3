"""Threads that read replies into pages while further replies are fetched: Arrow works without the interpreter.

Small replies of several listings are read in one call, because with small pages the cost of the call dominates.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.extract import pages
from pipeline.extract.page import Page
from pipeline.extract.parsed import page_of_objects
from pipeline.extract.wire import BODY, LIST, PAGE, TOKEN

RECEIVED_AT = "ReceivedAt"
"""The key of a reply under which `Listing` notes when it came."""

BATCH_BYTES = 2**18
"""Bytes of replies, of several listings, that are read in one call."""

LINGER = 0.02
"""Seconds that small replies wait for others to be read together with."""

Reply = dict[str, Any]


class TokenMismatchError(Exception):
    """The token that was guessed from a body is not the page's: pages must be read before the next is asked for."""


@dataclass(frozen=True)
class Read:
    """The pages of a group of replies, each with botocore's metadata and the moment, and what ended the reading."""

    pages: list[tuple[dict[str, Any], datetime, Page]]
    failure: BaseException | None = None


class Pending:
    """What is to be read, for the one thread that waits for it: a Future that costs a lock and no more."""

    def __init__(self) -> None:
        self._read: Read | None = None
        self._is_told = threading.Lock()
        self._is_told.acquire()

    def tell(self, read: Read) -> None:
        self._read = read
        self._is_told.release()

    def result(self) -> Read:
        """Waits for it. It is told once."""
        self._is_told.acquire()
        assert self._read is not None
        return self._read


class Reader:
    """A thread for each core, started at the first use. One serves the whole process."""

    def __init__(self) -> None:
        # None of its readers waits with a timeout: in CPython 3.11, of several that do, one may never wake up.
        self._waiting: queue.SimpleQueue[tuple[list[Reply], Pending]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def read(self, replies: list[Reply]) -> Pending:
        """Has a group of replies read, in their order."""
        if not self._threads:
            self._start()
        pending = Pending()
        self._waiting.put((replies, pending))
        return pending

    def _start(self) -> None:
        with self._starting:
            for number in range(0 if self._threads else os.cpu_count() or 1):
                thread = threading.Thread(target=self._work, name=f"read-{number}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def _work(self) -> None:
        while True:
            groups = [self._waiting.get()]
            size = _bytes(groups[0][0])
            if size < BATCH_BYTES:  # A large group is read at once, small ones with those that come meanwhile.
                time.sleep(LINGER)
                with contextlib.suppress(queue.Empty):
                    while size < BATCH_BYTES:
                        groups.append(self._waiting.get_nowait())
                        size += _bytes(groups[-1][0])
            try:
                done = _read_together([replies for replies, _ in groups])
            except BaseException as error:  # A bug here must not leave the listings waiting for ever.
                done = [Read([], error)] * len(groups)
            for (_, pending), read in zip(groups, done, strict=True):
                pending.tell(read)

    def reset_after_fork(self) -> None:
        """A forked process has none of the threads."""
        self.__init__()  # type: ignore[misc]


READER = Reader()
os.register_at_fork(after_in_child=READER.reset_after_fork)


def _bytes(replies: list[Reply]) -> int:
    return sum(len(reply.get(BODY, b"")) for reply in replies)


def _read_together(groups: list[list[Reply]]) -> list[Read]:
    """The groups read in one call, if all replies are as expected; else each group by itself."""
    if len(groups) > 1 and all(BODY in reply for replies in groups for reply in replies):
        with contextlib.suppress(Exception):
            found = pages.read_all_or_none([reply[BODY] for replies in groups for reply in replies])
            return [_checked(replies, iter([next(found) for _ in replies])) for replies in groups]
    return [_checked(replies, _pages_of(replies)) for replies in groups]


def _checked(replies: list[Reply], found: Iterator[Page]) -> Read:
    done: list[tuple[dict[str, Any], datetime, Page]] = []
    try:
        for reply, page in zip(replies, found, strict=True):
            if BODY in reply and page.next_token != reply[TOKEN]:
                raise TokenMismatchError
            done.append((reply.get("ResponseMetadata", {}), reply[RECEIVED_AT], page))
    except Exception as error:
        return Read(done, error)
    return Read(done)


def _pages_of(replies: list[Reply]) -> Iterator[Page]:
    if all(BODY in reply for reply in replies):
        yield from pages.read_pages([reply[BODY] for reply in replies])
        return
    for reply in replies:
        if BODY in reply:
            yield pages.read_page(reply[BODY])
        elif PAGE in reply:
            yield reply[PAGE].kept(reply[LIST])
        else:
            beside = ("ResponseMetadata", RECEIVED_AT)
            yield page_of_objects({name: value for name, value in reply.items() if name not in beside})
