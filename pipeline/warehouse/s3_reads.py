"""Reads objects in large blocks, each of which a process fetches once: requests are what reading a bucket costs.

The files of a warehouse are never changed, so a block that was read stays true for as long as the object's ETag does.
"""

from __future__ import annotations

import io
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from fsspec import AbstractFileSystem

from pipeline.errors import WarehouseError
from pipeline.warehouse.s3_errors import as_sentence, code_of, is_not_there, is_refused_condition
from pipeline.warehouse.storage import FileGoneError

BLOCK = 8 * 2**20
"""Bytes that a request fetches; most files of a warehouse are smaller."""

KEPT = 256 * 2**20
"""Bytes that a process keeps of what it has read."""

ATTEMPTS = 3
"""How often a block is asked for whose bytes end in the middle."""

_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")

Key = tuple[str, str, str, str, int]
"""Endpoint, bucket, key, ETag, and the number of the block."""


class _Kept:
    """The blocks that were used last, `KEPT` bytes of them at most. Threads may share it."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> bytes | None:
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
            return self._blocks.get(key)

    def put(self, key: Key, block: bytes) -> None:
        with self._lock:
            if key in self._blocks:
                return
            self._blocks[key] = block
            self._bytes += len(block)
            while self._bytes > KEPT and len(self._blocks) > 1:
                self._bytes -= len(self._blocks.popitem(last=False)[1])


_kept = _Kept()
_fetching = [threading.Lock() for _ in range(64)]
"""Threads that want the same block wait for the one that fetches it."""


class Reader:
    """Reads the objects of a bucket with a client of boto3's. Methods raise WarehouseError."""

    def __init__(self, client: Any, bucket: str, location: str) -> None:
        self._client, self._bucket, self._location = client, bucket, location
        self._known: dict[str, tuple[str, int]] = {}

    def knows(self, key: str, etag: str, size: int) -> None:
        """Notes what a listing said of an object, so that blocks read before are known to be of this one."""
        self._known[key] = (etag, size)

    def forget(self, key: str) -> None:
        """Forgets an object that was written or removed."""
        self._known.pop(key, None)

    def size(self, key: str) -> int:
        """The object's size in bytes. Raises FileGoneError where there is none."""
        if key not in self._known:
            self._block(key, 0)
        return self._known[key][1]

    def read(self, key: str, start: int, length: int) -> bytes:
        """A part of an object, as far as there is one."""
        end = min(start + length, self.size(key))
        parts = []
        while start < end:
            number, offset = divmod(start, BLOCK)
            part = self._block(key, number)[offset : offset + end - start]
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def _block(self, key: str, number: int) -> bytes:
        with _fetching[hash((key, number)) % len(_fetching)]:
            if key in self._known:
                etag, size = self._known[key]
                if size == 0:
                    return b""
                kept = _kept.get((*self._place(key, etag), number))
                if kept is not None:
                    return kept
            return self._fetch(key, number)

    def _place(self, key: str, etag: str) -> tuple[str, str, str, str]:
        return str(self._client.meta.endpoint_url), self._bucket, key, etag

    def _fetch(self, key: str, number: int) -> bytes:
        first = number * BLOCK
        asked: dict[str, Any] = {"Range": f"bytes={first}-{first + BLOCK - 1}"}
        if key in self._known:
            asked["IfMatch"] = self._known[key][0]  # All blocks are of one object.
        etag, size, block = self._get(key, asked)
        if size == 0:
            self._known[key] = ("", 0)
            return b""
        if len(block) != min(BLOCK, size - first):
            raise WarehouseError(f"The warehouse {self._location} cannot be read: {key} was cut short.")
        self._known[key] = (etag, size)
        _kept.put((*self._place(key, etag), number), block)
        return block

    def _get(self, key: str, asked: dict[str, Any]) -> tuple[str, int, bytes]:
        """ETag and size of an object, and the part of it that was asked for."""
        for attempt in range(ATTEMPTS):
            with as_sentence("read", self._location, self._bucket):
                try:
                    reply = self._client.get_object(Bucket=self._bucket, Key=key, **asked)
                    block: bytes = reply["Body"].read()
                except (IncompleteReadError, ResponseStreamingError, ReadTimeoutError):
                    if attempt + 1 < ATTEMPTS:  # botocore tries again what has no answer, not what ends in the middle.
                        continue
                    raise
                except ClientError as error:
                    if is_not_there(error) or is_refused_condition(error):
                        raise FileGoneError(
                            f"The warehouse {self._location} cannot be read: {key} is not there any more."
                        ) from error
                    if code_of(error) in ("InvalidRange", "416"):
                        return "", 0, b""
                    raise
            total = _TOTAL.match(reply.get("ContentRange", ""))
            return reply["ETag"], int(total[1]) if total else len(block), block
        raise AssertionError("the last attempt returns or raises")


class Object(io.RawIOBase):
    """An object as a file to read from."""

    def __init__(
        self, reader: Reader, key: str, reading: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        """`reading` is a context that each read is made in."""
        self._reader, self._key, self._at, self._reading = reader, key, 0, reading
        self._size = reader.size(key)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        with self._reading():
            part = self._reader.read(self._key, self._at, len(buffer))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


class FilesForDuckDB(AbstractFileSystem):  # type: ignore[misc]
    """The bucket as DuckDB asks for files: by full path, never by a pattern.

    DuckDB makes a traceback of what Python raises: the error itself is in `failure`.
    """

    protocol = "s3"
    cachable = False

    def __init__(self, reader: Reader, bucket: str) -> None:
        super().__init__()
        self._reader, self._bucket = reader, bucket
        self.failure: WarehouseError | None = None

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path.removeprefix("s3://")]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        with self._noted():
            return {"name": path, "size": self._reader.size(self._key(path)), "type": "file"}

    def modified(self, path: str) -> datetime:
        """Files are never changed."""
        return datetime(2000, 1, 1, tzinfo=UTC)

    def open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedReader:
        with self._noted():
            return io.BufferedReader(Object(self._reader, self._key(path), self._noted), 2**16)

    def _key(self, path: str) -> str:
        return path.removeprefix("s3://").removeprefix(f"{self._bucket}/")

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except WarehouseError as error:
            self.failure = error
            raise
