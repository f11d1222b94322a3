"""A warehouse in a local folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa

from pipeline.warehouse.storage import SCRATCH, UNPUBLISHED, as_warehouse_error


class _LocalFile:
    """Written to the scratch folder of the same file system, flushed to disk, then renamed into its place."""

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
    # A rename is durable only once its folder is synced.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalStorage:
    """An absolute folder. Files are renamed into place, because a local write is not atomic and a rename is."""

    has_lock = True

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def location(self) -> str:
        return str(self._root)

    def list(self, folder: str) -> list[str]:
        with as_warehouse_error("read", self.location):
            paths = (self._root / folder).rglob("*")
            return sorted(p.relative_to(self._root).as_posix() for p in paths if p.is_file())

    def oldest_or_newest(self, table: str, newest: bool, accepts: Callable[[str], bool]) -> str | None:
        place = self._root / table
        with as_warehouse_error("read", self.location):
            for name in sorted((p.name for p in place.iterdir()), reverse=newest) if place.is_dir() else ():
                if found := sorted(filter(accepts, (p.name for p in (place / name).glob("*"))), reverse=newest):
                    return f"{table}/{name}/{found[0]}"
        return None

    def open(self, path: str) -> pa.NativeFile:
        with as_warehouse_error("read", self.location):
            return pa.OSFile(str(self._root / path))

    def create(self, path: str) -> _LocalFile:
        with as_warehouse_error("written", self.location):
            scratch = path if path.startswith(SCRATCH) else f"{UNPUBLISHED}/{path.replace('/', '-')}"
            return _LocalFile(self._root / scratch, self._root / path)

    def remove(self, path: str) -> None:
        with as_warehouse_error("written", self.location):
            (self._root / path).unlink(missing_ok=True)

    def age(self, path: str) -> float:
        with as_warehouse_error("read", self.location):
            try:
                return time.time() - (self._root / path).stat().st_mtime
            except FileNotFoundError:
                return 0.0

    @contextmanager
    def lock(self) -> Iterator[None]:
        with as_warehouse_error("written", self.location):
            self._root.mkdir(parents=True, exist_ok=True)
            # The kernel releases the lock when its holder dies, however it dies.
            handle = open(self._root / ".lock", "w")
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def check(self) -> None:
        with self.lock():
            pass
