"""Takes the body of each DescribeImageBuilders reply before botocore parses it, by botocore's own event hooks.

botocore drops members that its model lacks, spends most of a listing's time on parsing, and takes a broken reply of
status 200 for an empty page. It gets a stub of the page in place of it, with which its paginator still pages and
truncates rightly. What the bytes mean is `pages`' subject.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Any, Protocol

from pipeline.aws import Access, Role, sessions
from pipeline.errors import MalformedReplyError
from pipeline.extract import pages
from pipeline.extract.page import Page

LIST, TOKEN = "ImageBuilders", "NextToken"
PAGE, BODY, SIZE = "Page", "Body", "Size"
"""Keys of a stub: the page that was read, or the bytes that are still to be read; and how many bytes they are."""

_OPERATION = "appstream.DescribeImageBuilders"

_thread = threading.local()
"""What the hooks need to know of the listing that makes the call; they run on its thread."""


class CallListener(Protocol):
    """Is told when a listing is about to make a call, and when it waits: for botocore's pause, or for its reader."""

    def before_call(self) -> None: ...

    def waiting(self) -> None: ...


def paginator(access: Access, region: str, roles: tuple[Role, ...] = ()) -> Any:
    """boto3's paginator of a region's image builders, whose replies are stubs; `Listing` makes pages of them."""
    # BRIEF: the sweep retries a page that fails, without holding up other targets as botocore's pauses do.
    return access.client("appstream", region, roles, sessions.BRIEF, _hooked_paginator)


def for_this_thread(reads_at_once: bool, listener: CallListener | None) -> None:
    """Says how the hooks treat this thread's calls: `reads_at_once` reads each page before the next is fetched."""
    _thread.reads_at_once, _thread.listener = reads_at_once, listener


def _hooked_paginator(client: Any) -> Any:
    client.meta.events.register(f"before-send.{_OPERATION}", _before_send)
    client.meta.events.register(f"response-received.{_OPERATION}", _after_failure)
    client.meta.events.register(f"before-parse.{_OPERATION}", _take_body)
    return client.get_paginator("describe_image_builders")


def _before_send(**_: Any) -> None:
    if listener := getattr(_thread, "listener", None):
        listener.before_call()


def _after_failure(response_dict: dict[str, Any] | None, **_: Any) -> None:
    failed = response_dict is None or response_dict["status_code"] >= 300
    if failed and (listener := getattr(_thread, "listener", None)):
        listener.waiting()  # Whether botocore pauses now or raises.


def _take_body(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    body = response_dict["body"]
    is_json = operation_model.service_model.resolved_protocol == "json"
    status = response_dict["status_code"]
    if status >= 300:
        if is_json and not pages.is_object(body):
            response_dict["body"] = b"{}"  # botocore's parser fails on some error bodies; the status is enough.
        return
    if status != HTTPStatus.OK:
        raise MalformedReplyError(f"AWS answered {status}, which comes with no page of image builders; 200 does.")
    promised = response_dict["headers"].get("content-length", "")
    if promised.isdigit() and int(promised) != len(body):
        raise MalformedReplyError(f"The connection was cut: {len(body):,} of {int(promised):,} bytes came.")
    # AppStream's model lists CBOR too. Where botocore chooses that, it parses, and `Listing` takes what it parsed.
    if is_json:
        response_dict["body"] = b"{}"
        customized_response_dict |= _stub(body)


def _stub(body: bytes) -> dict[str, Any]:
    """What botocore's paginator needs of a page. Each builder is its index, so that a cut list says what to keep."""
    if not getattr(_thread, "reads_at_once", True):
        return {LIST: [], TOKEN: pages.peek_token(body), BODY: body, SIZE: len(body)}
    page: Page = pages.read_page(body)
    return {LIST: list(range(len(page))), TOKEN: page.next_token, PAGE: page, SIZE: len(body)}
