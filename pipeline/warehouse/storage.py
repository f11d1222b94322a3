"""The interface of the place where a warehouse lives: its files appear whole or not at all.

A folder is `local_storage`, an object store `s3_storage`. What the files are called and what is in them is not known
here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import pyarrow as pa

from pipeline.errors import WarehouseError

SCRATCH = "_staging"
"""The folder of unfinished files, outside the tables' folders."""

UNPUBLISHED = f"{SCRATCH}/publish"
"""The folder of files that are to be renamed into their place; only the holder of the lock writes here."""

PATIENCE = 300.0
"""Seconds that a writer waits for another one of the same warehouse."""


class FileGoneError(WarehouseError):
    """A file that was listed is not there any more, or is another one: to list anew may help."""


class UnknownOutcomeError(WarehouseError):
    """Nobody can tell whether a file was committed: the place was out of reach before it answered."""


class LostLockError(WarehouseError):
    """The lock was lost while it was held: another process may be writing now."""


class NewFile(Protocol):
    """A file being written to `sink`. Nobody sees it until it is committed; then everybody sees all of it."""

    sink: Any

    def commit(self) -> None: ...

    def discard(self) -> None:
        """Takes it back, whether or not it was committed. Raises nothing: another error is on its way."""
        ...


class Held(Protocol):
    """The lock, while it is held."""

    def require(self) -> None:
        """Raises LostLockError where it was lost."""
        ...


class FileSystem(Protocol):
    """What DuckDB is to read files by that lie not in a folder. It makes a traceback of what Python raises: the error
    itself is in `failure`.
    """

    failure: WarehouseError | None


class Storage(Protocol):
    """The place where a warehouse lives: files by relative path, with slashes. Methods raise WarehouseError."""

    is_remote: bool
    """Whether each file costs requests over a network."""

    files: FileSystem | None
    """For DuckDB; None where it finds the files by itself."""

    @property
    def location(self) -> str:
        """The absolute folder or URI, as another tool would need it."""
        ...

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Every file below a folder, with its bytes; none if the folder does not exist. All of them, or an error."""
        ...

    def list(self, folder: str = "") -> list[str]:
        """The same, without their bytes, sorted."""
        ...

    def sizes_of(self, folders: Sequence[str]) -> dict[str, int]:
        """The files below folders, with their bytes, as `sizes` tells them; what lies beside the folders is not asked
        for.
        """
        ...

    def open(self, path: str) -> pa.NativeFile: ...

    def create(self, path: str, only_new: bool = False) -> NewFile:
        """A file to be. With `only_new`, to commit it raises WarehouseError where there is one of that name."""
        ...

    def remove(self, *paths: str) -> None:
        """Removes files, in this order, as far as they exist."""
        ...

    def remove_dead(self) -> None:
        """Removes the unfinished files of processes that died while they wrote them, at once and for certain."""
        ...

    def age(self, path: str) -> float:
        """Seconds since the file was written; 0 for one that does not exist any more."""
        ...

    def lock(self) -> AbstractContextManager[Held]:
        """A context that at most one process is in. Raises WarehouseError where it cannot be had in `PATIENCE`."""
        ...

    def check(self) -> None:
        """Raises WarehouseError when files cannot be listed and written here, or two writers not be kept apart."""
        ...


@contextmanager
def committed(file: NewFile) -> Iterator[Any]:
    """The sink of a new file, which is committed at the end, and taken back where anything fails."""
    try:
        yield file.sink
        file.commit()
    except BaseException:
        file.discard()
        raise


@contextmanager
def as_warehouse_error(doing: str, location: str) -> Iterator[None]:
    """Turns an OSError into a WarehouseError of one sentence; `doing` is read or written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise WarehouseError(f"The warehouse {location} cannot be {doing}: {reason}.") from error


def cannot_wait(location: str, holder: str, seconds: float) -> WarehouseError:
    """The sentence where another writer holds the lock for too long."""
    return WarehouseError(
        f"The warehouse {location} is being written by another run{holder}, and has been for {seconds:.0f} seconds: "
        "wait until it has ended, and run this again."
    )
