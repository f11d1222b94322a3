"""Lists the image builders of one target page by page, driven by boto3's own paginator.

How a page's bytes are got from botocore is `wire`'s subject, how they are read `reader`'s and `pages`'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.paginate import TokenEncoder

from pipeline.aws import failures
from pipeline.aws.bounds import EndlessListingError, Repeats
from pipeline.errors import ConfigurationError, MalformedReplyError
from pipeline.extract import wire
from pipeline.extract.limits import LookLimits
from pipeline.extract.page import Page
from pipeline.extract.reader import READER, RECEIVED_AT, Pending, Read, TokenMismatchError

GROUP = 16
"""Pages that are read in one call, while the next as many are fetched."""

GROUP_BYTES = 8 * 2**20
"""Bytes of such pages after which no further one is fetched first: they are all in memory at once."""


@dataclass(frozen=True)
class Selection:
    """What to list of a target, in the parameters of boto3's paginator, with the meaning they have there."""

    names: tuple[str, ...] = ()
    page_size: int | None = None
    max_items: int | None = None
    starting_token: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the listing starts at the first page and is not narrowed by names."""
        return not self.names and self.starting_token is None

    @property
    def is_complete(self) -> bool:
        """Whether nothing keeps the listing from seeing all image builders of a target."""
        return self.is_whole and self.max_items is None

    def require_fits(self, targets: int) -> None:
        """Raises ConfigurationError for an empty name, for numbers below one, and for a token with several targets."""
        if "" in self.names:
            raise ConfigurationError("A name is empty; give the name of an image builder, or none at all.")
        for name, value in (("page size", self.page_size), ("max items", self.max_items)):
            if value is not None and value < 1:
                raise ConfigurationError(f"The {name} is {value}; it must be 1 or more.")
        if self.starting_token is not None and targets > 1:
            raise ConfigurationError(
                f"A starting token belongs to one account and region, and {targets} are asked for: give --region once."
            )


class Listing:
    """One walk through the image builders of a target, in order.

    Iterating yields `Page`s. An error of a call is raised after the pages before it; iterating again resumes at the
    page that failed. At the end `resume_token` is boto3's, set where `max_items` cut the listing.

    While pages are fetched, those before them are read on another thread.
    """

    def __init__(
        self,
        paginator: Any,
        selection: Selection,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: LookLimits | None = None,
    ) -> None:
        self.pages = 0
        self._fetched = 0
        self.size = 0
        """Bytes of the pages."""
        self.received_at: datetime | None = None
        """When the page that was yielded last was received."""
        self.retries = 0
        """Retries that botocore made."""
        self.request_ids: list[str] = []
        """AWS's request ids of the first page and of the last."""
        self.resume_token: str | None = None
        self.listener: wire.CallListener | None = None
        self._paginator = paginator
        self._now = now
        self._rest = selection
        self._limits = limits or LookLimits()
        self._tokens: set[int] = set()
        self._repeats = Repeats()
        # The paginator needs to know how many builders a page has only where it is to cut the listing.
        self._reads_at_once = selection.max_items is not None or selection.starting_token is not None

    def __iter__(self) -> Iterator[Page]:
        while True:
            replies = self._paginate(self._rest)
            try:
                for page in self._in_order(replies):
                    # Noted before the page is yielded: once the caller has it, it is not listed again.
                    self._rest = _after(self._rest, page)
                    yield page
                self.resume_token = replies.resume_token
                return
            except TokenMismatchError:
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
        reading: Pending | None = None
        is_over = False
        while not is_over:
            group, failure, is_over = self._fetch(fetched)
            before, reading = reading, READER.read(group) if group else None
            if before:
                yield from self._counted(before.result())
        if reading:
            if self.listener:
                self.listener.waiting()
            yield from self._counted(reading.result())
        if failure:
            raise failure  # Its place is after the pages before it.

    def _fetch(self, fetched: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], Exception | None, bool]:
        """The next replies of a group, the error that came in place of a further one, and whether it was the last."""
        group: list[dict[str, Any]] = []
        size = 0
        wire.for_this_thread(self._reads_at_once, self.listener)
        try:
            while len(group) < GROUP and size < GROUP_BYTES:
                if (reply := next(fetched, None)) is None:
                    return group, None, True
                group.append(reply | {RECEIVED_AT: self._now()})
                size += reply.get(wire.SIZE, 0)
                self._require_within_limits(reply)
        except Exception as error:
            return group, error, True
        return group, None, False

    def _require_within_limits(self, reply: dict[str, Any]) -> None:
        self._fetched += 1
        self.size += reply.get(wire.SIZE, 0)
        if self._fetched > self._limits.pages:
            raise EndlessListingError(f"AWS sent more than {self._limits.pages:,} pages; no account has as many.")
        if self.size > self._limits.size:
            raise EndlessListingError(f"AWS sent more than {self._limits.size:,} bytes; no account has as many.")

    def _counted(self, read: Read) -> Iterator[Page]:
        for metadata, received_at, page in read.pages:
            if page.next_token is not None:
                # botocore notices a token that comes twice in a row; a longer circle would never end.
                token = hash(page.next_token)
                if token in self._tokens:
                    raise MalformedReplyError("AWS sent the same NextToken twice, so the listing has no end.")
                self._tokens.add(token)
            self._repeats.add(tuple(page.names()))
            self.pages += 1
            self.received_at = received_at
            self.retries += metadata.get("RetryAttempts", 0)
            if "RequestId" in metadata:
                self.request_ids = [*self.request_ids[:1], metadata["RequestId"]]
            yield page
        if read.failure:
            raise read.failure


def _after(selection: Selection, page: Page) -> Selection:
    """What is left to list after a page."""
    return replace(
        selection,
        max_items=None if selection.max_items is None else selection.max_items - len(page),
        starting_token=TokenEncoder().encode({"NextToken": page.next_token}),
    )
