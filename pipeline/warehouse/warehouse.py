"""The warehouse: its committed snapshots, and how a new one is staged and published.

The steps of a commit are `publish`'s subject, merging into a window `merge`'s, the layout is in docs/warehouse.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS, LOOKED, PRICES, Table
from pipeline.errors import ConfigurationError, NoSnapshotError, OlderWindowError
from pipeline.warehouse.local_storage import LocalStorage
from pipeline.warehouse.merge import Merge
from pipeline.warehouse.publish import Extracted, Publication, Published, clean, committed_ids
from pipeline.warehouse.s3_storage import ObjectStorage
from pipeline.warehouse.snapshot_ids import (
    DAY,
    cadence_of,
    is_joined,
    is_ours,
    is_price_list,
    new_id,
    newest_of_each_window,
    path_of,
    snapshot_of,
    whole_window_of,
    window_of,
)
from pipeline.warehouse.storage import SCRATCH, UNPUBLISHED, Storage, as_warehouse_error
from pipeline.windows import Window

GRACE = 1.0
"""Seconds between a commit and the removal of what it supersedes: for readers that listed the commits before it."""

CHECKPOINTS = "_checkpoints"
"""The folder of summaries of old commits; see `upkeep`."""

_CHECKPOINT = re.compile(r"/\d{4}-\d{2}-\d{2}-\d{8}T\d{12}\.parquet$")


class Warehouse:
    """The warehouse at a folder or s3:// URI. Methods raise WarehouseError when it cannot be read or written."""

    def __init__(self, location: str, grace: float = GRACE) -> None:
        """`grace`: seconds before superseded files are removed. Raises ConfigurationError for another kind of URI."""
        self.storage: Storage = _open_storage(location)
        self.grace = grace

    @property
    def location(self) -> str:
        return self.storage.location

    def snapshots(self) -> list[str]:
        """The ids of the committed snapshots, one a window, oldest first."""
        ids = committed_ids(self.storage)
        for path in self.storage.list(EXTRACTS.name):
            if is_joined(path):
                with self.storage.open(path) as source:
                    ids += pc.unique(pq.read_table(source, columns=["snapshot_id"])["snapshot_id"]).to_pylist()
        return newest_of_each_window(ids)

    def newest(self) -> str | None:
        """The id of the newest committed snapshot; None where there is none."""
        path = self.oldest_or_newest(EXTRACTS, newest=True)
        return PurePosixPath(path).stem.removeprefix(DAY) if path else None

    def cadence(self) -> str | None:
        """The cadence of the newest committed window; None where there is none."""
        newest = self.newest()
        return cadence_of(newest) if newest else None

    def windows(self) -> list[Window]:
        """The windows of which there is a snapshot."""
        return [window for window in map(whole_window_of, self.snapshots()) if window is not None]

    def require_newest_window(self, window: Window) -> None:
        """Raises OlderWindowError where a window that began later than this one has a snapshot: what a look at some
        image builders tells would be written into the past.
        """
        newest = self.newest()
        if newest and window_of(newest)[:13] > window.id[:13]:
            raise OlderWindowError(
                f"A look at some image builders belongs in the newest window, and {window.key} is older than that of "
                f"the snapshot {newest}: leave IMAGE_BUILDERS_CADENCE out, or set it to {cadence_of(newest)}."
            )

    def oldest_or_newest(self, table: Table, newest: bool) -> str | None:
        """The path of a table's oldest or newest file; None where there is none. Foreign files mean nothing."""
        return self.storage.oldest_or_newest(table.name, newest, is_price_list if table is PRICES else is_ours)

    def checkpoints(self) -> list[str]:
        """The paths of the summaries of old commits, oldest first."""
        return [path for path in self.storage.list(CHECKPOINTS) if _CHECKPOINT.search(path)]

    def require_snapshot(self) -> None:
        """Raises NoSnapshotError while nothing is committed."""
        if self.oldest_or_newest(EXTRACTS, newest=True) is None:
            raise NoSnapshotError(
                f"The warehouse {self.location} holds no snapshot yet: run `image-builders snapshot` first, or "
                "set IMAGE_BUILDERS_WAREHOUSE to the one you mean."
            )

    def read(self, table: Table, snapshot_id: str) -> pa.Table:
        """A table of one snapshot."""
        with self.storage.open(path_of(table, snapshot_id)) as source:
            return pq.read_table(source)

    def head(self, table: Table, snapshot_id: str, rows: int) -> pa.Table:
        """The first rows of a table of one snapshot, without reading the rest."""
        with self.storage.open(path_of(table, snapshot_id)) as source:
            for batch in pq.ParquetFile(source).iter_batches(rows):
                return pa.table(batch)
        return table.schema.empty_table()

    def clear(self) -> None:
        """Removes every snapshot, the commits first, and nothing else."""
        with self.storage.lock():
            for table in (EXTRACTS, *DATA_TABLES):
                for path in self.storage.list(table.name):
                    if snapshot_of(path) or is_joined(path):
                        self.storage.remove(path)
            for path in self.checkpoints():
                self.storage.remove(path)

    @contextmanager
    def stage(self, name: str) -> Iterator[tuple[str, pa.ipc.RecordBatchStreamWriter]]:
        """A stream of the schema `LOOKED` in the scratch folder; its path is to be named in `Extracted`."""
        path = f"{SCRATCH}/{name}.arrow"
        file = self.storage.create(path)
        try:
            with pa.ipc.new_stream(file.sink, LOOKED) as writer:
                yield path, writer
            file.commit()
        except BaseException:
            # Nobody will publish it. The error that was raised matters more than one of removing the file.
            with suppress(Exception):
                file.sink.close()
                self.storage.remove(path)
            raise

    def publish(
        self,
        window: Window,
        extracted: Sequence[Extracted],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        run_id: str | None = None,
    ) -> Published:
        """Commits a snapshot of the window, and then removes what it supersedes and what dead runs left behind.

        The window's earlier snapshot is replaced target by target: a target that was not looked at now keeps its
        earlier rows; so does one whose look failed, which `later_*` tells; one that was looked at in part has its rows
        added or refreshed.

        Streams whose names begin with `run_id` are removed too: a worker that was lost left them.
        """
        with self.storage.lock(), as_warehouse_error("written", self.location):
            for path in self.storage.list(UNPUBLISHED):  # Left by a dead run, for only the holder of the lock writes.
                self.storage.remove(path)
            of_window = [i for i in committed_ids(self.storage) if window_of(i) == window.id]
            earlier = max(of_window, default=None)
            merge = Merge.of(
                [r for e in extracted for r in e.rows],
                self.read(EXTRACTS, earlier).to_pylist() if earlier else [],
            )
            snapshot_id = new_id(window, now(), earlier)
            streams = [e.stream for e in extracted]
            published = Publication(self.storage, window, snapshot_id, earlier, merge).write(streams)
            clean(self.storage, streams, run_id, self.grace)
        return published


def _open_storage(location: str) -> Storage:
    scheme = urlsplit(location).scheme if "://" in location else ""
    if scheme == "s3":
        return ObjectStorage(location)
    if scheme:
        raise ConfigurationError(f"The warehouse {location} is neither a folder nor an s3:// URI.")
    try:
        return LocalStorage(Path(location).absolute())
    except OSError as error:
        raise ConfigurationError(
            f"The working directory cannot be used ({error.strerror}), and the warehouse {location} is relative to it: "
            "give the full path, or change to a directory that exists."
        ) from error
