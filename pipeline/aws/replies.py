"""Holds each reply to its bounds while it is read from the socket: a deadline, a least speed, a most of bytes.

botocore waits for each next byte as long as the read timeout says, and reads a body to its end, however long either
takes. Its connections are replaced here by ones whose responses are read through `_BoundedReader`, headers and body
alike.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from pipeline.aws import bounds

LEAST_SPEED = 1024
"""Bytes a second, once `PATIENCE` is over."""

PATIENCE = 30.0
"""Seconds that a reply may take before its speed counts. AWS thinks before it answers; no read timeout is longer."""

MOST_BYTES = 32 * 2**20
"""Bytes of a reply of AWS's: a page of 1,000 image builders has about one million."""


@dataclass(frozen=True)
class Limits:
    """What a reply may take: `most_bytes` None for any number, as of the objects of a store."""

    most_bytes: int | None = MOST_BYTES
    patience: float = PATIENCE
    least_speed: int = LEAST_SPEED


LIMITS = Limits()


def bound(client: Any, limits: Limits = LIMITS) -> Any:
    """Has all replies to a boto3 client's calls held to their bounds. A call that goes beyond raises a BoundError, as
    the error that a botocore HTTPClientError was made of.
    """
    pools = {"http": _pool(AWSHTTPConnectionPool, AWSHTTPConnection, limits)}
    pools["https"] = _pool(AWSHTTPSConnectionPool, AWSHTTPSConnection, limits)
    session = client._endpoint.http_session
    session._pool_classes_by_scheme = pools  # Those of proxies, which are made when they are first used.
    session._manager.pool_classes_by_scheme = pools
    return client


def _pool(pool: Any, connection: Any, limits: Limits) -> Any:
    class Connection(connection):  # type: ignore[misc]
        def request(self, *arguments: Any, **keywords: Any) -> Any:
            bounds.seconds_left()  # Raises when there are none.
            return super().request(*arguments, **keywords)

        @staticmethod
        def response_class(sock: Any, *arguments: Any, **keywords: Any) -> HTTPResponse:
            return HTTPResponse(_Bounded(sock, limits), *arguments, **keywords)  # type: ignore[arg-type]

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


class _Bounded:
    """A socket as a response opens it, to be read within the limits."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self._sock, self._limits = sock, limits

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._limits), 2**16)


class _BoundedReader(io.RawIOBase):
    """The bytes of one response."""

    def __init__(self, sock: Any, limits: Limits) -> None:
        self._sock, self._limits = sock, limits
        self._bytes = sock.makefile("rb", buffering=0)
        self._timeout = sock.gettimeout()
        self._begin = time.monotonic()
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        limits = self._limits
        left = bounds.seconds_left()
        if left is not None and (self._timeout is None or left < self._timeout):
            self._sock.settimeout(max(left, 0.001))
        try:
            count: int | None = self._bytes.readinto(buffer)
        except TimeoutError:
            bounds.seconds_left()  # Raises where it was the deadline that ended the wait.
            raise
        self._read += count or 0
        if limits.most_bytes is not None and self._read > limits.most_bytes:
            raise bounds.LargeReplyError(
                f"The reply is larger than {limits.most_bytes // 2**20} MiB, which none of AWS's is."
            )
        seconds = time.monotonic() - self._begin - limits.patience
        if count and seconds > 0 and self._read < seconds * limits.least_speed:
            raise bounds.SlowReplyError(
                f"The reply comes too slowly: {self._read:,} bytes in {seconds + limits.patience:,.0f} seconds."
            )
        return count

    def close(self) -> None:
        self._bytes.close()
        super().close()
