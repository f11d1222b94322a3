"""An S3 that can be told to refuse, delay, cut, repeat or stop at any request: the sandbox's own, behind a front."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote

import boto3

from pipeline.sandbox.faults import cut
from pipeline.sandbox.server import Sandbox

BUCKET = "lake"

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class Request:
    """A request to S3, by its number from 0; `operation` as S3's API calls it, `key` of the object or prefix."""

    number: int
    operation: str
    key: str
    headers: dict[str, str]


Rule = Callable[[Request], str | None]
"""What is done to a request: nothing, or `refuse CODE`, `cut before`, `cut after`, `cut body`, `twice`,
`delay SECONDS`.
"""


@dataclass
class Store:
    """Stands before a sandbox's S3. `requests` are those since `reset`."""

    sandbox: Sandbox
    rule: Rule = lambda _: None
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._front: Wsgi = self.sandbox.front
        self.sandbox.front = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._front, name)

    def reset(self, rule: Rule = lambda _: None) -> None:
        self.rule = rule
        self.requests.clear()

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "/s3/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._front(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._lock:
            request = _request(len(self.requests), environ)
            self.requests.append(request)
        what, _, value = (self.rule(request) or "").partition(" ")
        if what == "delay":
            time.sleep(float(value))
        if what == "refuse":
            return _refused(value, start_response)
        if (what, value) == ("cut", "before"):
            return cut(environ, b"")
        if what == "twice":
            self._answer(environ, body)
        status, headers, answer = self._answer(environ, body)
        if (what, value) == ("cut", "after"):
            return cut(environ, b"")
        start_response(status, headers)
        if (what, value) == ("cut", "body") and len(answer) > 1:
            return cut(environ, answer[: len(answer) // 2])
        return [answer]

    def _answer(self, environ: dict[str, Any], body: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
        told: list[Any] = []
        environ = dict(environ, **{"wsgi.input": BytesIO(body)})
        answer = b"".join(self._front(environ, lambda status, headers, *_: told.extend((status, headers))))
        return told[0], told[1], answer


def _request(number: int, environ: dict[str, Any]) -> Request:
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")[2]
    method = environ["REQUEST_METHOD"]
    operation = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}.get(method, "")
    if "list-type" in query:
        operation, key = "ListObjectsV2", query.get("prefix", [""])[0]
    elif "delete" in query:
        operation = "DeleteObjects"
    elif "lifecycle" in query:
        operation = "GetBucketLifecycleConfiguration"
    elif "uploads" in query:
        operation = "CreateMultipartUpload"
    elif "uploadId" in query:
        operation = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}.get(method, "AbortMultipartUpload")
    headers = {name[5:].lower().replace("_", "-"): str(v) for name, v in environ.items() if name.startswith("HTTP_")}
    return Request(number, operation, key, headers)


def _refused(code: str, start_response: Any) -> list[bytes]:
    status = {"SlowDown": 503, "InternalError": 500, "AccessDenied": 403, "NotImplemented": 501}.get(code, 409)
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
    start_response(f"{status} -", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def make_bucket(sandbox: Sandbox) -> Store:
    """A bucket in a sandbox's S3, behind a front."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return Store(sandbox)
