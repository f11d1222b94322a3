"""A warehouse in an object store, by Arrow's S3 file system."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from pipeline.aws import sessions
from pipeline.errors import ConfigurationError
from pipeline.warehouse.storage import SCRATCH, as_warehouse_error


class _Object:
    def __init__(self, files: fs.FileSystem, path: str) -> None:
        self.sink = files.open_output_stream(path)

    def commit(self) -> None:
        # A multipart upload appears when it is completed, and not before.
        self.sink.close()


class ObjectStorage:
    """A bucket and prefix. An upload appears whole; there is no lock, so the user must run one writer at a time."""

    has_lock = False

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._uri = uri.rstrip("/")
        self._prefix = f"{parts.netloc}{parts.path}".rstrip("/")
        self.files = _s3()

    @property
    def location(self) -> str:
        return self._uri

    def list(self, folder: str) -> list[str]:
        with as_warehouse_error("read", self.location):
            selector = fs.FileSelector(f"{self._prefix}/{folder}", recursive=True, allow_not_found=True)
            found = self.files.get_file_info(selector)
        return sorted(f.path.removeprefix(f"{self._prefix}/") for f in found if f.type == fs.FileType.File)

    def oldest_or_newest(self, table: str, newest: bool, accepts: Callable[[str], bool]) -> str | None:
        selector = fs.FileSelector(f"{self._prefix}/{table}", allow_not_found=True)
        with as_warehouse_error("read", self.location):
            folders = [f.path for f in self.files.get_file_info(selector)]
        for below in sorted(folders, reverse=newest):
            if found := list(filter(accepts, self.list(below.removeprefix(f"{self._prefix}/")))):
                return found[-1 if newest else 0]
        return None

    def open(self, path: str) -> pa.NativeFile:
        with as_warehouse_error("read", self.location):
            return self.files.open_input_file(f"{self._prefix}/{path}")

    def create(self, path: str) -> _Object:
        with as_warehouse_error("written", self.location):
            return _Object(self.files, f"{self._prefix}/{path}")

    def remove(self, path: str) -> None:
        with as_warehouse_error("written", self.location):
            if self.files.get_file_info(f"{self._prefix}/{path}").type != fs.FileType.NotFound:
                self.files.delete_file(f"{self._prefix}/{path}")

    def age(self, path: str) -> float:
        with as_warehouse_error("read", self.location):
            found = self.files.get_file_info(f"{self._prefix}/{path}")
        return 0.0 if found.mtime_ns is None else time.time() - found.mtime_ns / 1e9

    @contextmanager
    def lock(self) -> Iterator[None]:
        yield

    def check(self) -> None:
        probe = self.create(f"{SCRATCH}/check")
        with as_warehouse_error("written", self.location):
            probe.sink.write(b"")
            probe.commit()
        self.remove(f"{SCRATCH}/check")


def _s3() -> fs.S3FileSystem:
    """Arrow's S3 file system, with the credentials, region and endpoint that boto3 would use."""
    session = sessions.new_session()
    credentials = session.get_credentials()
    if credentials is None:
        raise ConfigurationError("AWS credentials are missing, and the warehouse is on S3: set AWS_PROFILE.")
    frozen = credentials.get_frozen_credentials()
    endpoint = sessions.client(session, "s3", session.region_name or "us-east-1").meta.endpoint_url
    parts = urlsplit(endpoint)
    return fs.S3FileSystem(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token,
        region=session.region_name or "us-east-1",
        endpoint_override=parts.netloc,
        scheme=parts.scheme,
    )
