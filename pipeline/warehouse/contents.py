"""Which snapshots are in which files, and which of them count: of each window the newest, by its id.

What upkeep, forgetting and the export take and remove is decided by this, and not by the names of files: a process may
have died between writing a file and removing what it supersedes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.snapshot_ids import Name, newest_of_each_window, path_of, unjoined_id
from pipeline.warehouse.storage import Storage


@dataclass(frozen=True)
class Contents:
    """The ids of the snapshots in each committed file, as their rows have them."""

    ids: dict[Name, frozenset[str]]
    broken: frozenset[Name]
    """Of them, the files of which a table is gone."""

    @classmethod
    def of(cls, storage: Storage, holdings: Holdings) -> Contents:
        """Reads the ids of joined files from their commits. Raises WarehouseError."""
        missing = set(holdings.missing(DATA_TABLES))
        broken = {n for n in holdings.names(EXTRACTS) if missing & {path_of(t, n) for t in DATA_TABLES}}
        return cls({name: _ids(storage, name) for name in holdings.names(EXTRACTS)}, frozenset(broken))

    @cached_property
    def winners(self) -> frozenset[str]:
        """The ids that count."""
        whole = (i for name, ids in self.ids.items() if name not in self.broken for i in ids)
        return frozenset(newest_of_each_window(whole))

    def counting(self, names: Iterable[Name]) -> list[Name]:
        """Of files, those with a snapshot that counts."""
        return [name for name in names if name not in self.broken and self.ids[name] & self.winners]

    @cached_property
    def superseded(self) -> list[Name]:
        """The files of which no snapshot counts, and those that are broken but of which others have every snapshot."""
        elsewhere = {unjoined_id(i) for i in self.winners}
        return [
            name
            for name, ids in self.ids.items()
            if not (ids & self.winners) and (name not in self.broken or {unjoined_id(i) for i in ids} <= elsewhere)
        ]

    def joined_in(self, name: Name) -> list[Name]:
        """The files that hold snapshots of a superseded file under an id of their own: it was joined."""
        own = {unjoined_id(i) for i in self.ids[name]}
        return [
            other
            for other, ids in self.ids.items()
            if other != name and other not in self.broken and own & {unjoined_id(i) for i in ids & self.winners}
        ]


def _ids(storage: Storage, name: Name) -> frozenset[str]:
    if not name.span:
        return frozenset((name.newest,))
    with storage.open(path_of(EXTRACTS, name)) as source:
        return frozenset(pq.ParquetFile(source).read(["snapshot_id"])["snapshot_id"].unique().to_pylist())
