"""Pages of image builders through boto3: its paginator drives, the page's bytes are taken before it parses them.

What a page's bytes mean is `pages`' subject, which targets there are is `targets`'.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.paginate import TokenEncoder

from pipeline import aws, failures, pages
from pipeline.errors import ConfigurationError, MalformedReplyError
from pipeline.pages import Page

_OPERATION = "appstream.DescribeImageBuilders"
_LIST = "ImageBuilders"
_PAGE = "Page"


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
        """Raises ConfigurationError for numbers below one, and for a token where there are several targets."""
        for name, value in (("page size", self.page_size), ("max items", self.max_items)):
            if value is not None and value < 1:
                raise ConfigurationError(f"The {name} is {value}; it must be 1 or more.")
        if self.starting_token is not None and targets > 1:
            raise ConfigurationError(
                f"A starting token belongs to one account and region, and {targets} are asked for: give --region once."
            )


@dataclass(frozen=True)
class Patience:
    """How often a page is taken up again at its token after botocore's own retries, and the first pause."""

    retries: int = 3
    seconds: float = 0.5

    def wait(self, attempt: int) -> None:
        # Full jitter, as AWS advises, so that many targets do not come back at once.
        time.sleep(random.uniform(0, self.seconds * 2**attempt))


def client(session: boto3.Session, region: str, connections: int = 10) -> Any:
    """An AppStream client whose pages of image builders come as Arrow; see `Listing`."""
    appstream = aws.client(session, "appstream", region, connections)
    appstream.meta.events.register(f"before-parse.{_OPERATION}", _take_page)
    return appstream


class Listing:
    """One walk through the image builders of a target, page by page, kept in order.

    Iterating yields `Page`s. A page that fails for a passing reason is taken up again at its token, up to
    `patience.retries` times in a row; then what the call raised is raised. Afterwards `resume_token` is boto3's,
    set where `max_items` cut the listing.
    """

    def __init__(self, client: Any, selection: Selection, patience: Patience | None = None) -> None:
        self.pages = 0
        self.retries = 0
        self.request_ids: list[str] = []
        self.resume_token: str | None = None
        self._client = client
        self._selection = selection
        self._patience = patience or Patience()
        self._tokens: set[int] = set()

    def __iter__(self) -> Iterator[Page]:
        rest, failed = self._selection, 0
        while True:
            replies = self._paginate(rest)
            try:
                for reply in replies:
                    page = self._page(reply)
                    failed = 0
                    yield page
                    rest = _after(rest, page)
                self.resume_token = replies.resume_token
                return
            except Exception as error:
                self.retries += failures.retries_made(error)
                if failed == self._patience.retries or not failures.describe(error).is_transient:
                    raise
                failed += 1
                self.retries += 1
                self._patience.wait(failed)

    def _paginate(self, selection: Selection) -> Any:
        paging = {
            "PageSize": selection.page_size,
            "MaxItems": selection.max_items,
            "StartingToken": selection.starting_token,
        }
        names = {"Names": list(selection.names)} if selection.names else {}
        return self._client.get_paginator("describe_image_builders").paginate(PaginationConfig=paging, **names)

    def _page(self, reply: dict[str, Any]) -> Page:
        told = reply.pop("ResponseMetadata", {})
        page = reply[_PAGE].kept(reply[_LIST]) if _PAGE in reply else pages.from_objects(reply)
        if page.next_token is not None:
            # botocore notices a token that comes twice in a row; a longer circle would go on for ever.
            token = hash(page.next_token)
            if token in self._tokens:
                raise MalformedReplyError("AWS sent the same NextToken twice, so the listing has no end.")
            self._tokens.add(token)
        self.pages += 1
        self.retries += told.get("RetryAttempts", 0)
        if "RequestId" in told:
            self.request_ids = [*self.request_ids[:1], told["RequestId"]]
        return page


def _take_page(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Reads a page from its bytes and leaves botocore a stub that still pages and truncates rightly.

    botocore drops members that its model lacks, takes most of a listing's time to parse, and reads a broken
    200 as an empty page. In the stub each builder is its index, so what the paginator keeps says what to keep.
    """
    if response_dict["status_code"] >= 300:
        return
    body = response_dict["body"]
    promised = response_dict["headers"].get("content-length", "")
    if promised.isdigit() and int(promised) != len(body):
        raise MalformedReplyError(f"The connection was cut: {len(body):,} of {int(promised):,} bytes came.")
    # AppStream's model lists CBOR too. Where botocore chooses that, it parses; Listing takes its page as it is.
    if operation_model.service_model.resolved_protocol == "json":
        page = pages.read(body)
        response_dict["body"] = b"{}"
        customized_response_dict |= {_LIST: list(range(len(page))), "NextToken": page.next_token, _PAGE: page}


def _after(selection: Selection, page: Page) -> Selection:
    """What is left to list after a page."""
    return replace(
        selection,
        max_items=None if selection.max_items is None else selection.max_items - len(page),
        starting_token=TokenEncoder().encode({"NextToken": page.next_token}),
    )
