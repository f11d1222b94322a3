"""Files of a warehouse, in a local folder or an object store: each appears whole or not at all.

Paths are relative, with slashes. What the files are called and what is in them is `warehouse`'s subject.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import ConfigurationError, WarehouseError

SCRATCH = "_staging"
"""The folder of what is not finished, outside the tables' folders."""

UNPUBLISHED = f"{SCRATCH}/publish"
"""Where files are written that are to be renamed into their place, under the lock."""


class NewFile(Protocol):
    """A file being written: nobody sees it until it is committed, then everybody sees all of it."""

    sink: Any

    def commit(self) -> None: ...


class Storage(Protocol):
    """What a warehouse needs of the place where it lives. Methods raise WarehouseError."""

    has_lock: bool
    """Whether `lock` keeps other processes out."""

    @property
    def location(self) -> str:
        """The absolute folder or URI, as other tools would be told it."""
        ...

    def list(self, folder: str) -> list[str]:
        """Every file below a folder, sorted; none if the folder is not there."""
        ...

    def end(self, folder: str, newest: bool) -> str | None:
        """The first file in the folders of a folder, in their order and its own, or the last; None if there is none."""
        ...

    def open(self, path: str) -> pa.NativeFile: ...

    def create(self, path: str) -> NewFile: ...

    def remove(self, path: str) -> None:
        """Removes a file; one that is gone already is fine."""
        ...

    def age(self, path: str) -> float:
        """Seconds since the file was written; none of one that is gone already."""
        ...

    def lock(self) -> Any:
        """A context in which no other process holds it, where the place can do that."""
        ...

    def check(self) -> None:
        """Raises WarehouseError when nothing can be written here."""
        ...


def open_storage(location: str) -> Storage:
    """The storage at a folder or an s3:// URI. Raises ConfigurationError for any other URI."""
    scheme = urlsplit(location).scheme if "://" in location else ""
    if scheme == "s3":
        return ObjectStorage(location)
    if scheme:
        raise ConfigurationError(f"The warehouse {location} is neither a folder nor an s3:// URI.")
    return LocalStorage(Path(location))


@contextmanager
def told(doing: str, location: str) -> Iterator[None]:
    """Tells what the system says against reading or writing in one sentence, as a WarehouseError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise WarehouseError(f"The warehouse {location} cannot be {doing}: {reason}.") from error


class _LocalFile:
    """Written in the scratch folder of the same file system, flushed to disk, then renamed into its place."""

    def __init__(self, scratch: Path, target: Path) -> None:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        self._scratch, self._target = scratch, target
        self.sink: IO[bytes] = open(scratch, "wb", buffering=2**20)

    def commit(self) -> None:
        if self._scratch == self._target:
            self.sink.close()
            return
        self.sink.flush()
        os.fsync(self.sink.fileno())
        self.sink.close()
        if not self._target.parent.exists():
            self._target.parent.mkdir(parents=True)
            _sync_folder(self._target.parent.parent)
        self._scratch.rename(self._target)
        _sync_folder(self._target.parent)


def _sync_folder(folder: Path) -> None:
    # A rename is on disk only when its folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalStorage:
    """A folder. Files are renamed into place, because a local write is not atomic and a rename is."""

    has_lock = True

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def location(self) -> str:
        return str(self._root)

    def list(self, folder: str) -> list[str]:
        with told("read", self.location):
            paths = (self._root / folder).rglob("*")
            return sorted(p.relative_to(self._root).as_posix() for p in paths if p.is_file())

    def end(self, folder: str, newest: bool) -> str | None:
        place = self._root / folder
        with told("read", self.location):
            for name in sorted((p.name for p in place.iterdir()), reverse=newest) if place.is_dir() else ():
                if found := sorted((place / name).glob("*.parquet"), reverse=newest):
                    return found[0].relative_to(self._root).as_posix()
        return None

    def open(self, path: str) -> pa.NativeFile:
        with told("read", self.location):
            return pa.OSFile(str(self._root / path))

    def create(self, path: str) -> _LocalFile:
        with told("written", self.location):
            scratch = path if path.startswith(SCRATCH) else f"{UNPUBLISHED}/{path.replace('/', '-')}"
            return _LocalFile(self._root / scratch, self._root / path)

    def remove(self, path: str) -> None:
        with told("written", self.location):
            (self._root / path).unlink(missing_ok=True)

    def age(self, path: str) -> float:
        with told("read", self.location):
            try:
                return time.time() - (self._root / path).stat().st_mtime
            except FileNotFoundError:
                return 0.0

    @contextmanager
    def lock(self) -> Iterator[None]:
        with told("written", self.location):
            self._root.mkdir(parents=True, exist_ok=True)
            # The kernel lets go of the lock when its holder dies, however it dies.
            handle = open(self._root / ".lock", "w")
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def check(self) -> None:
        with self.lock():
            pass


class _Object:
    def __init__(self, files: fs.FileSystem, path: str) -> None:
        self.sink = files.open_output_stream(path)

    def commit(self) -> None:
        # A multipart upload appears when it is completed, and not before.
        self.sink.close()


class ObjectStorage:
    """A bucket and prefix. An upload appears whole; there is no lock, so one run at a time is the user's part."""

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
        with told("read", self.location):
            selector = fs.FileSelector(f"{self._prefix}/{folder}", recursive=True, allow_not_found=True)
            found = self.files.get_file_info(selector)
        return sorted(f.path.removeprefix(f"{self._prefix}/") for f in found if f.type == fs.FileType.File)

    def end(self, folder: str, newest: bool) -> str | None:
        selector = fs.FileSelector(f"{self._prefix}/{folder}", allow_not_found=True)
        with told("read", self.location):
            folders = [f.path for f in self.files.get_file_info(selector)]
        for below in sorted(folders, reverse=newest):
            if found := self.list(below.removeprefix(f"{self._prefix}/")):
                return found[-1 if newest else 0]
        return None

    def open(self, path: str) -> pa.NativeFile:
        with told("read", self.location):
            return self.files.open_input_file(f"{self._prefix}/{path}")

    def create(self, path: str) -> _Object:
        with told("written", self.location):
            return _Object(self.files, f"{self._prefix}/{path}")

    def remove(self, path: str) -> None:
        with told("written", self.location):
            if self.files.get_file_info(f"{self._prefix}/{path}").type != fs.FileType.NotFound:
                self.files.delete_file(f"{self._prefix}/{path}")

    def age(self, path: str) -> float:
        with told("read", self.location):
            found = self.files.get_file_info(f"{self._prefix}/{path}")
        return 0.0 if found.mtime_ns is None else time.time() - found.mtime_ns / 1e9

    @contextmanager
    def lock(self) -> Iterator[None]:
        yield

    def check(self) -> None:
        probe = self.create(f"{SCRATCH}/check")
        with told("written", self.location):
            probe.sink.write(b"")
            probe.commit()
        self.remove(f"{SCRATCH}/check")


def _s3() -> fs.S3FileSystem:
    """Arrow's S3, with the credentials, region and endpoint that boto3 would use."""
    from pipeline.aws import sessions as aws

    session = aws.new_session()
    credentials = session.get_credentials()
    if credentials is None:
        raise ConfigurationError("AWS credentials are missing, and the warehouse is on S3: set AWS_PROFILE.")
    frozen = credentials.get_frozen_credentials()
    endpoint = aws.client(session, "s3", session.region_name or "us-east-1").meta.endpoint_url
    parts = urlsplit(endpoint)
    return fs.S3FileSystem(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token,
        region=session.region_name or "us-east-1",
        endpoint_override=parts.netloc,
        scheme=parts.scheme,
    )
