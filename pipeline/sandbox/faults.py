"""What can go wrong with a reply, on request: each kind of fault by its name.

A fault changes the reply that would have been sent; which requests it strikes, it says itself.
"""

from __future__ import annotations

import base64
import itertools
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An HTTP reply. `sent` is how much of the body leaves before the connection is cut; None is all of it.

    `pace`: seconds before each byte of the body; `is_endless`: the body is sent again and again, without end.
    `asked_token` is the NextToken that the request came with, `session_token` what it was signed with.
    """

    status: int
    body: bytes
    sent: int | None = None
    asked_token: str | None = None
    session_token: str | None = None
    pace: float = 0.0
    is_endless: bool = False
    content_type: str = "application/x-amz-json-1.1"


def error(status: int, code: str, message: str, member: str = "message") -> Reply:
    """An error of the AWS JSON 1.1 protocol."""
    return Reply(status, json.dumps({"__type": code, member: message}).encode())


@dataclass
class Fault:
    """A kind of fault, and which requests it strikes: globs of service, account and region, page from 1, how often."""

    kind: str
    account: str = "*"
    region: str = "*"
    page: int | None = None
    times: int | None = None
    value: Any = None
    service: str = "appstream"
    struck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault '{self.kind}'; there are: {', '.join(sorted(KINDS))}.")

    def strikes(self, account_id: str, region: str, page: int, service: str = "appstream") -> bool:
        """Whether it strikes this request; counts it if so."""
        hit = (
            fnmatch(service, self.service)
            and fnmatch(account_id, self.account)
            and fnmatch(region, self.region)
            and self.page in (None, page)
            and (self.times is None or self.struck < self.times)
        )
        self.struck += hit
        return hit

    def change(self, reply: Reply) -> Reply:
        return KINDS[self.kind](reply, self.value)


def _edit(reply: Reply, change: Callable[[dict[str, Any]], object]) -> Reply:
    if reply.status != 200:
        return reply
    page = json.loads(reply.body)
    change(page)
    return replace(reply, body=json.dumps(page).encode())


def _latency(reply: Reply, seconds: float | None) -> Reply:
    time.sleep(0.05 if seconds is None else seconds)
    return reply


def _each(name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda page: [builder.update({name: value}) for builder in page["ImageBuilders"]]


def _unknown(page: dict[str, Any]) -> None:
    for number, builder in enumerate(page["ImageBuilders"]):
        builder["HibernationMode"] = "ENABLED" if number % 2 else {"Enabled": True, "Since": 1}
        builder.setdefault("VpcConfig", {})["OutpostArn"] = None if number % 2 else "arn:aws:outposts:::outpost/op-1"
        for item in builder.get("ImageBuilderErrors", ()):
            item["Severity"] = 3
        builder["State"] = "HIBERNATED"


def headers_of(reply: Reply) -> list[tuple[str, str]]:
    """The headers of its body; one without end has no length, and ends with the connection."""
    length = ("Connection", "close") if reply.is_endless else ("Content-Length", str(len(reply.body)))
    return [("Content-Type", reply.content_type), length]


def body_of(reply: Reply, environ: dict[str, Any]) -> Iterable[bytes]:
    """The body as it is sent."""
    if reply.sent is not None:
        return cut(environ, reply.body[: reply.sent])
    if reply.is_endless:
        body = reply.body or b" "
        return itertools.repeat(body * (2**16 // len(body) + 1))
    return _dripping(reply) if reply.pace else [reply.body]


def _dripping(reply: Reply) -> Iterable[bytes]:
    for place in range(len(reply.body)):
        time.sleep(reply.pace)
        yield reply.body[place : place + 1]


def _of_an_endless_listing(kind: str | None) -> Reply:
    """A page under a token of its own: without builders, always with the `same` one, or always with a `new` one."""
    names = {"same": ["again"], "new": [f"b-{uuid.uuid4().hex}"]}.get(kind or "", [])
    token = base64.urlsafe_b64encode(json.dumps({"start": 0, "page": 1, "id": uuid.uuid4().hex}).encode()).decode()
    return Reply(200, json.dumps({"ImageBuilders": [{"Name": name} for name in names], "NextToken": token}).encode())


def cut(environ: dict[str, Any], part: bytes) -> Iterable[bytes]:
    """A body of which only a part is sent before the connection ends."""
    if part:
        yield part
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


ERRORS = {
    "throttle": (400, "ThrottlingException", "Rate exceeded"),
    "deny": (400, "AccessDeniedException", "User is not authorized to perform"),
    "expire": (400, "ExpiredTokenException", "The security token included in the request is expired"),
    "not_enabled": (400, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "fail": (500, "InternalFailure", "An internal error occurred"),
}
"""Status, code and message of the faults that are an error of AWS's, whatever its protocol."""

KINDS: dict[str, Callable[[Reply, Any], Reply]] = {
    "latency": _latency,
    "throttle": lambda reply, _: error(*ERRORS["throttle"]),
    "deny": lambda reply, _: error(
        400,
        "com.amazon.coral.service#AccessDeniedException",
        "User is not authorized to perform: appstream:DescribeImageBuilders",
        "Message",
    ),
    "expire": lambda reply, _: error(*ERRORS["expire"]),
    "not_enabled": lambda reply, _: error(*ERRORS["not_enabled"]),
    "fail": lambda reply, _: error(*ERRORS["fail"]),
    # AWS quotes the canonical request, session token and all.
    "signature": lambda reply, _: error(
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. The Canonical String for this "
        f"request should have been 'POST\n/\n\nx-amz-security-token:{reply.session_token}\n'",
    ),
    # As a misconfigured proxy answers, quoting the request's headers.
    "quoting": lambda reply, _: Reply(200, f"<html>x-amz-security-token: {reply.session_token}</html>".encode()),
    "unavailable": lambda reply, _: Reply(
        503, b"<html><body>503 Service Unavailable</body></html>", content_type="text/html"
    ),
    "reset": lambda reply, _: replace(reply, sent=0),
    "cut": lambda reply, _: replace(reply, sent=len(reply.body) // 2),
    "html": lambda reply, _: Reply(200, b"<!doctype html><p>Sign in to the hotel's network", content_type="text/html"),
    "empty": lambda reply, _: replace(reply, body=b""),
    "short": lambda reply, _: replace(reply, body=reply.body[: len(reply.body) // 2]),
    "bom": lambda reply, _: replace(reply, body=b"\xef\xbb\xbf" + reply.body),
    "missing": lambda reply, _: _edit(reply, lambda page: page.pop("ImageBuilders")),
    "null": lambda reply, _: _edit(reply, lambda page: page.update(ImageBuilders=None)),
    # The second list wins in most readers, and an empty one would prove that all are gone.
    "twice": lambda reply, _: replace(reply, body=reply.body.rstrip()[:-1] + b', "ImageBuilders": []}'),
    "error_object": lambda reply, _: error(200, "InternalFailure", "An internal error occurred"),
    "repeat_token": lambda reply, token: _edit(reply, lambda page: page.update(NextToken=token or reply.asked_token)),
    "unknown_members": lambda reply, _: _edit(reply, _unknown),
    "trickle": lambda reply, seconds: replace(reply, pace=2.0 if seconds is None else seconds),
    "endless": lambda reply, _: replace(reply, is_endless=True),
    "endless_listing": lambda _, kind: _of_an_endless_listing(kind),
    "misfit": lambda reply, _: _edit(reply, _each("RootVolumeConfig", {"VolumeSizeInGb": "200"})),
    "error_body": lambda reply, sent: replace(reply, status=sent[0] if sent else 500, body=sent[1] if sent else b"[]"),
    "body": lambda reply, text: replace(reply, body=text if isinstance(text, bytes) else str(text).encode()),
}
"""Every kind of fault by its name. `latency` takes seconds, `trickle` the seconds before each byte, `endless_listing`
what its pages hold, `body` the body to send in place of the page,
`error_body` a status and a body,
`repeat_token` the token to repeat, or none for the one that the page was asked with."""
