"""What a warehouse holds at one moment, told by one listing of all its files: its commits, and the files they name.

Whoever asks something of a warehouse lists it once and goes by that: an answer is of one moment, and a listing that
fails is an error, never a smaller answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cached_property
from pathlib import PurePosixPath

from pipeline.contract import EXTRACTS, IMAGE_BUILDERS, PRICES, TABLES, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.snapshot_ids import Name, days_of, is_price_list, newest_of_each_window, path_of
from pipeline.warehouse.storage import SCRATCH

CHECKPOINTS = "_checkpoints"
"""The folder of summaries of old commits; see `upkeep`."""

FOLD = "_fold"
"""The folder of settled history as finished rows; see `folds`."""

MANIFEST = ".json.gz"
"""The ending of the file that names the others of a fold."""

FOLDERS = (CHECKPOINTS, FOLD, SCRATCH, *(table.name for table in (*TABLES, PRICES)))
"""The folders of a warehouse's own files: what else lies there, or may not be looked at, means nothing."""

_CHECKPOINT = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})-(?P<made>\d{8}T\d{12})")


class Holdings:
    """The files of a warehouse, as one listing told them."""

    def __init__(self, location: str, sizes: Mapping[str, int]) -> None:
        """`sizes`: the bytes of each file, by its path."""
        self.location = location
        self._sizes = sizes
        self.paths = sorted(sizes)

    def size(self, path: str) -> int:
        """The bytes of a file."""
        return self._sizes[path]

    def has(self, path: str, size: int) -> bool:
        """Whether there is a file of so many bytes."""
        return self._sizes.get(path) == size

    @cached_property
    def _by_table(self) -> dict[str, dict[Name, str]]:
        found: dict[str, dict[Name, str]] = {table.name: {} for table in TABLES}
        for path in self.paths:
            folder, _, rest = path.partition("/")
            if folder in found and rest.count("/") == 1 and (name := Name.of(path)):
                found[folder][name] = path
        return found

    def since(self, day: date) -> Holdings:
        """The same without the files all of whose snapshots are of earlier days."""
        return Holdings(self.location, {path: size for path, size in self._sizes.items() if _last_day(path) >= day})

    def names(self, table: Table) -> list[Name]:
        """The names of a table's files, whether or not they are committed, by the newest snapshot in each. Foreign
        files (.DS_Store, notes, copies) mean nothing.
        """
        return sorted(self._by_table[table.name], key=lambda name: (name.newest, name.rank))

    @cached_property
    def commits(self) -> list[Name]:
        """The names of what is committed: joined files, and of the snapshots those that none of their window
        supersedes.
        """
        names = self.names(EXTRACTS)
        newest = set(newest_of_each_window(name.newest for name in names if not name.span))
        return [name for name in names if name.span or name.newest in newest]

    def of_window(self, window_id: str) -> list[str]:
        """The ids of all committed snapshots of a window that are in a file of their own, superseded ones included."""
        return [n.newest for n in self.names(EXTRACTS) if not n.span and n.newest.partition("-")[0] == window_id]

    def files(self, table: Table, names: Iterable[Name] | None = None) -> list[str]:
        """The paths of a table's committed files, or of those of the given names, as far as there are any."""
        there = self._by_table[table.name]
        return [there[name] for name in (self.commits if names is None else names) if name in there]

    @cached_property
    def prices(self) -> list[str]:
        """The paths of the price snapshots, oldest first."""
        return [path for path in self.paths if path.startswith(f"{PRICES.name}/") and is_price_list(path)]

    @cached_property
    def checkpoints(self) -> list[str]:
        """The paths of the summaries of old commits, oldest first."""
        own = (path for path in self.paths if path.startswith(f"{CHECKPOINTS}/"))
        return [path for path in own if _CHECKPOINT.fullmatch(PurePosixPath(path).stem)]

    @cached_property
    def of_fold(self) -> list[str]:
        """The paths of the files of folded history, those first that name the others."""
        own = (path for path in self.paths if path.startswith(f"{FOLD}/"))
        return sorted(own, key=lambda path: (not path.endswith(MANIFEST), path))

    def missing(self, tables: Iterable[Table]) -> list[str]:
        """The paths of files that commits name and that are not there.

        A commit that is older than the table's first file was written before the contract had the table.
        """
        found = []
        for table in tables:
            there = self._by_table[table.name]
            first = min((name.newest for name in there), default=None)
            for name in self.commits:
                # One table was there from the beginning.
                is_due = table is IMAGE_BUILDERS or (first is not None and name.newest > first)
                if name not in there and is_due:
                    found.append(path_of(table, name))
        return found

    def require_files(self, tables: Iterable[Table]) -> None:
        """Raises WarehouseError, with the path, where a commit has no file of a table."""
        if missing := self.missing(table for table in tables if table is not EXTRACTS):
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise WarehouseError(
                f"The warehouse {self.location} is damaged: {missing[0]}{more}, which belongs to a committed "
                "snapshot, is gone. Put it back: without it answers would be too small."
            )


def _last_day(path: str) -> date:
    name = Name.of(path)
    return days_of(name.span or "day", name.day)[1] if name else date.max


def checkpoint_made(path: str) -> datetime:
    """When a checkpoint was written, UTC; without its zone."""
    match = _CHECKPOINT.fullmatch(PurePosixPath(path).stem)
    assert match
    return datetime.strptime(match["made"], "%Y%m%dT%H%M%S%f")
