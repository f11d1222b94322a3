"""Pages of image builders through boto3: its paginator drives, the page's bytes are taken before it parses them.

What a page's bytes mean is `pages`' subject, which targets there are is `targets`'.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.paginate import TokenEncoder

from pipeline.aws import failures
from pipeline.aws import sessions as aws
from pipeline.aws.credentials import Access, Role
from pipeline.errors import ConfigurationError, MalformedReplyError
from pipeline.extract import pages
from pipeline.extract.pages import Page

_OPERATION = "appstream.DescribeImageBuilders"
_LIST = "ImageBuilders"
_PAGE, _BODY, _MOMENT = "Page", "Body", "ReceivedAt"

GROUP = 16
"""Pages that are read in one go, while the next as many are fetched."""

READ_TOGETHER = 2**18
"""Bytes of replies, of several listings, that are read in one go: of small pages half of the time goes by the call."""

LINGER = 0.005
"""Seconds that small replies wait for others to be read with."""

_asking = threading.local()
"""What the handler of a reply must know of the listing that asks for it; it runs on the listing's thread."""


class _MisjudgedError(Exception):
    """A token that was peeked at is not the page's: the page must be read before the next is asked for."""


@dataclass(frozen=True)
class Selection:
    """What of a target to list, in the terms of boto3's paginator, which mean here just what they mean there."""

    names: tuple[str, ...] = ()
    page_size: int | None = None
    max_items: int | None = None
    starting_token: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the listing starts at the first page and is not narrowed by names."""
        return not self.names and self.starting_token is None

    def require_fits(self, targets: int) -> None:
        """Raises ConfigurationError for an empty name, for numbers below one, and for a token of several targets."""
        if "" in self.names:
            raise ConfigurationError("A name is empty; give the name of an image builder, or none at all.")
        for name, value in (("page size", self.page_size), ("max items", self.max_items)):
            if value is not None and value < 1:
                raise ConfigurationError(f"The {name} is {value}; it must be 1 or more.")
        if self.starting_token is not None and targets > 1:
            raise ConfigurationError(
                f"A starting token belongs to one account and region, and {targets} are asked for: give --region once."
            )


def paginator(access: Access, region: str, roles: tuple[Role, ...] = ()) -> Any:
    """boto3's paginator of a region's image builders, whose pages come as Arrow; see `Listing`."""
    # A page that fails is taken up again by the sweep, without holding up others as botocore's pauses do.
    return access.client("appstream", region, roles, aws.BRIEF, _paginator)


def _paginator(client: Any) -> Any:
    client.meta.events.register(f"before-send.{_OPERATION}", _tell_asked)
    client.meta.events.register(f"response-received.{_OPERATION}", _tell_failed)
    client.meta.events.register(f"before-parse.{_OPERATION}", _take_page)
    return client.get_paginator("describe_image_builders")


class Wire(Protocol):
    """Who wants to know when a listing makes a call, and when it waits: for botocore's pause, or to be read."""

    def asked(self) -> None: ...

    def waits(self) -> None: ...


class Listing:
    """One walk through the image builders of a target, page by page, kept in order.

    Iterating yields `Page`s. What a call raises is raised, after the pages before it; iterating again takes the
    listing up at the page that failed. At the end `resume_token` is boto3's, set where `max_items` cut the listing.

    While pages are fetched, those before them are read on another thread: Arrow needs no interpreter for that.
    """

    def __init__(
        self,
        paginator: Any,
        selection: Selection,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.pages = 0
        self.received_at: datetime | None = None
        """When the page that was yielded last was received."""
        self.retries = 0
        """How often botocore tried again."""
        self.request_ids: list[str] = []
        self.resume_token: str | None = None
        self._paginator = paginator
        self._now = now
        self.wire: Wire | None = None
        self._rest = selection
        self._tokens: set[int] = set()
        # The paginator needs to know how many builders a page has only where it is to cut.
        self._reads_at_once = selection.max_items is not None or selection.starting_token is not None

    def __iter__(self) -> Iterator[Page]:
        while True:
            replies = self._paginate(self._rest)
            try:
                for page in self._in_order(replies):
                    # Before it is yielded: whoever takes it has it.
                    self._rest = _after(self._rest, page)
                    yield page
                self.resume_token = replies.resume_token
                return
            except _MisjudgedError:
                self._reads_at_once = True
            except Exception as error:
                self.retries += failures.retries_made(error)
                raise

    def _paginate(self, selection: Selection) -> Any:
        paging = {
            "PageSize": selection.page_size,
            "MaxItems": selection.max_items,
            "StartingToken": selection.starting_token,
        }
        names = {"Names": list(selection.names)} if selection.names else {}
        return self._paginator.paginate(PaginationConfig=paging, **names)

    def _in_order(self, replies: Any) -> Iterator[Page]:
        """The pages of the replies, a group at a time, each group read while the next is fetched."""
        fetched = iter(replies)
        reading: Future[_Read] | None = None
        is_over = False
        while not is_over:
            group, failure = self._fetch(fetched)
            is_over = failure is not None or len(group) < GROUP
            before, reading = reading, _READER.read(group) if group else None
            if before:
                yield from self._counted(before.result())
        if reading:
            if self.wire:
                self.wire.waits()
            yield from self._counted(reading.result())
        if failure:
            raise failure  # It has its place after the pages before it.

    def _fetch(self, fetched: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], Exception | None]:
        """The next replies, and what came in place of a further one."""
        group: list[dict[str, Any]] = []
        _asking.reads_at_once, _asking.wire = self._reads_at_once, self.wire
        try:
            for reply in itertools.islice(fetched, GROUP):
                group.append(reply | {_MOMENT: self._now()})
        except Exception as error:
            return group, error
        return group, None

    def _counted(self, read: _Read) -> Iterator[Page]:
        for told, received_at, page in read.pages:
            if page.next_token is not None:
                # botocore notices a token that comes twice in a row; a longer circle would go on for ever.
                token = hash(page.next_token)
                if token in self._tokens:
                    raise MalformedReplyError("AWS sent the same NextToken twice, so the listing has no end.")
                self._tokens.add(token)
            self.pages += 1
            self.received_at = received_at
            self.retries += told.get("RetryAttempts", 0)
            if "RequestId" in told:
                self.request_ids = [*self.request_ids[:1], told["RequestId"]]
            yield page
        if read.failure:
            raise read.failure


@dataclass(frozen=True)
class _Read:
    """The pages of a group of replies, each with what was told beside it, and what ended the reading early."""

    pages: list[tuple[dict[str, Any], datetime, Page]]
    failure: BaseException | None = None


class _Reader:
    """Threads that read groups of replies: those of one listing while its next are fetched, small ones together."""

    def __init__(self) -> None:
        # Not a SimpleQueue: of several that wait on one with a timeout, CPython 3.11 may have one wait for ever, when
        # another takes what it was woken for and its time is over.
        self._waiting: queue.Queue[tuple[list[dict[str, Any]], Future[_Read]]] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def read(self, replies: list[dict[str, Any]]) -> Future[_Read]:
        if not self._threads:
            self._start()
        future: Future[_Read] = Future()
        self._waiting.put((replies, future))
        return future

    def _start(self) -> None:
        with self._starting:
            for number in range(0 if self._threads else os.cpu_count() or 1):
                thread = threading.Thread(target=self._work, name=f"read-{number}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def _work(self) -> None:
        while True:
            groups = [self._waiting.get()]
            size = _size(groups[0][0])
            # A large group is not kept waiting; a small one for as long as others of its kind keep coming.
            with contextlib.suppress(queue.Empty):
                while size < READ_TOGETHER:
                    groups.append(self._waiting.get(timeout=LINGER))
                    size += _size(groups[-1][0])
            try:
                done = _read_together([replies for replies, _ in groups])
            except BaseException as error:  # A mistake of ours; without this the listings would wait for ever.
                done = [_Read([], error)] * len(groups)
            for (_, future), read in zip(groups, done, strict=True):
                future.set_result(read)

    def forget(self) -> None:
        """In a forked process, which has none of the threads."""
        self.__init__()  # type: ignore[misc]


_READER = _Reader()
os.register_at_fork(after_in_child=_READER.forget)


def _size(replies: list[dict[str, Any]]) -> int:
    return sum(len(reply.get(_BODY, b"")) for reply in replies)


def _read_together(groups: list[list[dict[str, Any]]]) -> list[_Read]:
    """The groups read in one go, if they are as expected; each by itself otherwise."""
    if len(groups) > 1 and all(_BODY in reply for replies in groups for reply in replies):
        with contextlib.suppress(Exception):
            found = pages.read_many_at_once([reply[_BODY] for replies in groups for reply in replies])
            return [_checked(replies, iter([next(found) for _ in replies])) for replies in groups]
    return [_read_group(replies) for replies in groups]


def _read_group(replies: list[dict[str, Any]]) -> _Read:
    return _checked(replies, _pages_of(replies))


def _checked(replies: list[dict[str, Any]], found: Iterator[Page]) -> _Read:
    done: list[tuple[dict[str, Any], datetime, Page]] = []
    try:
        for reply, page in zip(replies, found, strict=True):
            if _BODY in reply and page.next_token != reply["NextToken"]:
                raise _MisjudgedError
            done.append((reply.get("ResponseMetadata", {}), reply[_MOMENT], page))
    except Exception as error:
        return _Read(done, error)
    return _Read(done)


def _pages_of(replies: list[dict[str, Any]]) -> Iterator[Page]:
    if all(_BODY in reply for reply in replies):
        yield from pages.read_many([reply[_BODY] for reply in replies])
        return
    for reply in replies:
        if _BODY in reply:
            yield pages.read(reply[_BODY])
        elif _PAGE in reply:
            yield reply[_PAGE].kept(reply[_LIST])
        else:
            beside = ("ResponseMetadata", _MOMENT)
            yield pages.from_objects({name: value for name, value in reply.items() if name not in beside})


def _tell_asked(**_: Any) -> None:
    if wire := getattr(_asking, "wire", None):
        wire.asked()


def _tell_failed(response_dict: dict[str, Any] | None, **_: Any) -> None:
    failed = response_dict is None or response_dict["status_code"] >= 300
    if failed and (wire := getattr(_asking, "wire", None)):
        wire.waits()  # Whether botocore sleeps now or raises.


def _take_page(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Takes a page's bytes and leaves botocore a stub that still pages and truncates rightly.

    botocore drops members that its model lacks, takes most of a listing's time to parse, and reads a broken
    200 as an empty page. In the stub each builder is its index, so what the paginator keeps says what to keep.
    """
    body = response_dict["body"]
    is_json = operation_model.service_model.resolved_protocol == "json"
    if response_dict["status_code"] >= 300:
        if is_json and not pages.is_object(body):
            response_dict["body"] = b"{}"  # botocore's parser raises its own mistakes for some; the status is enough.
        return
    promised = response_dict["headers"].get("content-length", "")
    if promised.isdigit() and int(promised) != len(body):
        raise MalformedReplyError(f"The connection was cut: {len(body):,} of {int(promised):,} bytes came.")
    # AppStream's model lists CBOR too. Where botocore chooses that, it parses; Listing takes its page as it is.
    if is_json:
        response_dict["body"] = b"{}"
        customized_response_dict |= _stub(body)


def _stub(body: bytes) -> dict[str, Any]:
    if not getattr(_asking, "reads_at_once", True):
        return {_LIST: [], "NextToken": pages.peek_token(body), _BODY: body}
    page = pages.read(body)
    return {_LIST: list(range(len(page))), "NextToken": page.next_token, _PAGE: page}


def _after(selection: Selection, page: Page) -> Selection:
    """What is left to list after a page."""
    return replace(
        selection,
        max_items=None if selection.max_items is None else selection.max_items - len(page),
        starting_token=TokenEncoder().encode({"NextToken": page.next_token}),
    )
