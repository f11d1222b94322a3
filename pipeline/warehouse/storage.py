"""The interface of the place where a warehouse lives: its files appear whole or not at all.

A folder is `local_storage`, an object store `s3_storage`. What the files are called and what is in them is not known
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa

from pipeline.errors import WarehouseError

SCRATCH = "_staging"
"""The folder of unfinished files, outside the tables' folders."""

UNPUBLISHED = f"{SCRATCH}/publish"
"""The folder of files that are to be renamed into their place; only the holder of the lock writes here."""


class NewFile(Protocol):
    """A file being written to `sink`. Nobody sees it until it is committed; then everybody sees all of it."""

    sink: Any

    def commit(self) -> None: ...


class Storage(Protocol):
    """The place where a warehouse lives: files by relative path, with slashes. Methods raise WarehouseError."""

    has_lock: bool
    """Whether `lock` excludes other processes."""

    @property
    def location(self) -> str:
        """The absolute folder or URI, as another tool would need it."""
        ...

    def list(self, folder: str) -> list[str]:
        """Every file below a folder, sorted; none if the folder does not exist."""
        ...

    def oldest_or_newest(self, table: str, newest: bool, accepts: Callable[[str], bool]) -> str | None:
        """The oldest or newest accepted file of a table, by the names of its partitions and files; None without one."""
        ...

    def open(self, path: str) -> pa.NativeFile: ...

    def create(self, path: str) -> NewFile: ...

    def remove(self, path: str) -> None:
        """Removes a file, if it exists."""
        ...

    def age(self, path: str) -> float:
        """Seconds since the file was written; 0 for one that does not exist any more."""
        ...

    def lock(self) -> Any:
        """A context that at most one process is in, where the place can enforce that (`has_lock`)."""
        ...

    def check(self) -> None:
        """Raises WarehouseError when files cannot be written here."""
        ...


@contextmanager
def as_warehouse_error(doing: str, location: str) -> Iterator[None]:
    """Turns an OSError into a WarehouseError of one sentence; `doing` is read or written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise WarehouseError(f"The warehouse {location} cannot be {doing}: {reason}.") from error
