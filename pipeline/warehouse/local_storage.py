"""A warehouse in a local folder."""

from __future__ import annotations

import builtins
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pyarrow as pa

from pipeline.errors import WarehouseError
from pipeline.warehouse.storage import (
    PATIENCE,
    SCRATCH,
    UNPUBLISHED,
    FileGoneError,
    FileSystem,
    as_warehouse_error,
    cannot_wait,
)

PART = ".part"
"""The ending of a file in the scratch folder that is being written. Its writer holds a lock on it."""

_POLL = 0.05


class _LocalFile:
    """Written to the scratch folder of the same file system, flushed to disk, then renamed into its place."""

    def __init__(self, scratch: Path, target: Path) -> None:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        self._scratch, self._target = scratch, target
        self.sink: IO[bytes] = _locked(scratch)

    def commit(self) -> None:
        self.sink.flush()
        os.fsync(self.sink.fileno())
        if not self._target.parent.exists():
            self._target.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(self._target.parent.parent)
        self._scratch.rename(self._target)
        self.sink.close()
        _sync_folder(self._target.parent)

    def discard(self) -> None:
        # Closing writes what is buffered, which a full disk refuses.
        for undo in (self.sink.close, self._scratch.unlink, self._target.unlink):
            with suppress(OSError, ValueError):
                undo()


def _locked(scratch: Path) -> IO[bytes]:
    """A new file that is locked. The kernel releases it when the process dies, however it dies: what is not locked is
    nobody's any more.
    """
    while True:
        file = open(scratch, "wb", buffering=2**20)
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.fstat(file.fileno()).st_ino == scratch.stat().st_ino:
                return file
        file.close()  # Between the two, another process took it for a dead one's and removed it.


class _Flock:
    """Nobody else can have taken it while this process lives."""

    def require(self) -> None:
        pass


def _sync_folder(folder: Path) -> None:
    # A rename is durable only once its folder is synced.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalStorage:
    """An absolute folder. Files are renamed into place, because a local write is not atomic and a rename is."""

    is_remote = False
    files: FileSystem | None = None

    def __init__(self, root: Path, patience: float = PATIENCE) -> None:
        self._root = root
        self._patience = patience

    @property
    def location(self) -> str:
        return str(self._root)

    def sizes(self, folder: str = "") -> dict[str, int]:
        with as_warehouse_error("read", self.location):
            return dict(_files_below(self._root / folder, f"{folder}/" if folder else ""))

    def list(self, folder: str = "") -> builtins.list[str]:
        return sorted(self.sizes(folder))

    def sizes_of(self, folders: Sequence[str]) -> dict[str, int]:
        return {path: size for folder in folders for path, size in self.sizes(folder).items()}

    def open(self, path: str) -> pa.NativeFile:
        with as_warehouse_error("read", self.location):
            try:
                return pa.OSFile(str(self._root / path))
            except FileNotFoundError as error:
                raise FileGoneError(
                    f"The warehouse {self.location} cannot be read: {path} is not there any more."
                ) from error

    def create(self, path: str, only_new: bool = False) -> _LocalFile:
        with as_warehouse_error("written", self.location):
            if only_new and (self._root / path).exists():
                raise FileExistsError(f"{path} is there already")
            scratch = f"{path}{PART}" if path.startswith(SCRATCH) else f"{UNPUBLISHED}/{path.replace('/', '-')}"
            return _LocalFile(self._root / scratch, self._root / path)

    def remove(self, *paths: str) -> None:
        with as_warehouse_error("written", self.location):
            for path in paths:
                (self._root / path).unlink(missing_ok=True)

    def remove_dead(self) -> None:
        for path in self.list(SCRATCH):
            if not path.endswith(PART) and not path.startswith(UNPUBLISHED):
                continue
            with as_warehouse_error("written", self.location), suppress(FileNotFoundError):
                _remove_unless_locked(self._root / path)

    def age(self, path: str) -> float:
        with as_warehouse_error("read", self.location):
            try:
                return time.time() - (self._root / path).stat().st_mtime
            except FileNotFoundError:
                return 0.0

    @contextmanager
    def lock(self) -> Iterator[_Flock]:
        with as_warehouse_error("written", self.location):
            self._root.mkdir(parents=True, exist_ok=True)
            # The kernel releases the lock when its holder dies, however it dies.
            handle = open(self._root / ".lock", "w")
        with handle:
            self._wait_for(handle)
            yield _Flock()

    def _wait_for(self, handle: IO[str]) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise cannot_wait(self.location, "", self._patience) from None
            except OSError as error:
                raise WarehouseError(
                    f"The warehouse {self.location} cannot be locked ({error.strerror}), so that two runs could not "
                    "be kept apart: keep it on a file system that has locks."
                ) from error
            time.sleep(_POLL)

    def check(self) -> None:
        """It makes no file: where there is no room, a run still tells what it could not keep."""
        with self.lock():
            self.remove_dead()


def _files_below(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """The files below a folder, with their bytes. A folder that cannot be listed is an error; one that is gone by now
    is not there.
    """
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_below(folder / entry.name, f"{prefix}{entry.name}/")
            elif entry.is_file():
                with suppress(FileNotFoundError):
                    yield f"{prefix}{entry.name}", entry.stat().st_size


def _remove_unless_locked(path: Path) -> None:
    with open(path, "rb") as handle, suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
