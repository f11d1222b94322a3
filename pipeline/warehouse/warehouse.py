"""The warehouse: its committed snapshots, and how a new one is staged and published.

The steps of a commit are `publish`'s subject, merging into a window `merge`'s, the layout is in docs/warehouse.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.contract import DATA_TABLES, EXTRACTS, LOOKED, Table
from pipeline.errors import ConfigurationError, NoSnapshotError, OlderWindowError, WarehouseError
from pipeline.settings import Environment
from pipeline.warehouse.holdings import FOLDERS, Holdings
from pipeline.warehouse.local_storage import LocalStorage
from pipeline.warehouse.snapshot_ids import (
    cadence_of,
    newest_of_each_window,
    path_of,
    whole_window_of,
    window_of,
)
from pipeline.warehouse.storage import PATIENCE, SCRATCH, Storage, as_warehouse_error
from pipeline.windows import Window

if TYPE_CHECKING:
    from pipeline.warehouse.publication import Published
    from pipeline.warehouse.publish import Extracted

STREAM = ".arrow"
"""The ending of a stream's file."""

GRACE = 1.0
"""Seconds between a commit and the removal of what it supersedes: for readers that listed the commits before it."""


class Warehouse:
    """The warehouse at a folder or s3:// URI. Methods raise WarehouseError when it cannot be read or written."""

    def __init__(
        self, location: str, grace: float = GRACE, patience: float = PATIENCE, kms_key: str | None = None
    ) -> None:
        """`grace`: seconds before superseded files are removed; `patience`: seconds that a writer waits for another
        one; `kms_key`: the KMS key of objects in S3, the bucket's own default without one.

        Raises ConfigurationError for a place where no warehouse can be.
        """
        self.storage: Storage = _open_storage(location, patience, kms_key)
        self.grace = grace

    @classmethod
    def of(cls, environment: Environment) -> Warehouse:
        """The warehouse that the settings name. Raises ConfigurationError."""
        return cls(environment.warehouse, kms_key=environment.s3_kms_key)

    @property
    def location(self) -> str:
        return self.storage.location

    def holdings(self) -> Holdings:
        """What it holds now, by one listing of all its files.

        Raises WarehouseError where the newest commit is of a newer release, which may keep what this one cannot read.
        """
        holdings = Holdings(self.location, self.storage.sizes_of(FOLDERS))
        self._require_known_contract(holdings)
        return holdings

    def _commits(self) -> Holdings:
        """The same of the commits only."""
        return Holdings(self.location, self.storage.sizes(EXTRACTS.name))

    def _require_known_contract(self, holdings: Holdings) -> None:
        if not holdings.commits:
            return
        path = path_of(EXTRACTS, holdings.commits[-1])
        with self.storage.open(path) as source, as_warehouse_error("read", self.location):
            try:
                versions = pq.ParquetFile(source).read(["contract_version"])["contract_version"].to_pylist()
            except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
                raise WarehouseError(
                    f"The warehouse {self.location} is damaged: the commit {path} cannot be read ({error})."
                ) from error
        if (version := max(filter(None, versions), default=0)) > contract.VERSION:
            raise WarehouseError(
                f"The warehouse {self.location} was written by a newer release (contract {version}; this one knows "
                f"{contract.VERSION}), and might be read wrongly: install the release that writes it."
            )

    def snapshots(self) -> list[str]:
        """The ids of the committed snapshots, one a window, oldest first."""
        names = self._commits().names(EXTRACTS)
        ids = [name.newest for name in names if not name.span]
        for name in names:
            if name.span:
                with self.storage.open(path_of(EXTRACTS, name)) as source:
                    ids += pq.ParquetFile(source).read(["snapshot_id"])["snapshot_id"].unique().to_pylist()
        return newest_of_each_window(ids)

    def newest(self) -> str | None:
        """The id of the newest committed snapshot, as it was before it was joined; None where there is none."""
        names = self._commits().names(EXTRACTS)
        return names[-1].newest if names else None

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

    def require_snapshot(self) -> None:
        """Raises NoSnapshotError while nothing is committed."""
        if self.newest() is None:
            raise self.no_snapshot()

    def no_snapshot(self) -> NoSnapshotError:
        """The error of a question to a warehouse in which nothing is committed."""
        return NoSnapshotError(
            f"The warehouse {self.location} holds no snapshot yet: run `image-builders snapshot` first, or "
            "set IMAGE_BUILDERS_WAREHOUSE to the one you mean."
        )

    def check(self) -> None:
        """Raises WarehouseError where a snapshot could not be committed here; what dead runs left unfinished goes."""
        self.storage.check()
        self._require_known_contract(self._commits())

    def read(self, table: Table, snapshot_id: str) -> pa.Table:
        """A table of one snapshot."""
        with self.storage.open(path_of(table, snapshot_id)) as source:
            return pq.ParquetFile(source).read()

    def head(self, table: Table, snapshot_id: str, rows: int) -> pa.Table:
        """The first rows of a table of one snapshot, without reading the rest."""
        with self.storage.open(path_of(table, snapshot_id)) as source:
            for batch in pq.ParquetFile(source).iter_batches(rows):
                return pa.table(batch)
        return table.schema.empty_table()

    def clear(self) -> None:
        """Removes every snapshot, the commits first, and nothing else."""
        with self.storage.lock():
            holdings = Holdings(self.location, self.storage.sizes_of(FOLDERS))
            for table in (EXTRACTS, *DATA_TABLES):
                self.storage.remove(*holdings.files(table, holdings.names(table)))
            self.storage.remove(*holdings.checkpoints, *holdings.of_fold)

    @contextmanager
    def stage(self, name: str) -> Iterator[tuple[str, pa.ipc.RecordBatchStreamWriter]]:
        """A stream of the schema `LOOKED` in the scratch folder; its path is to be named in `Extracted`."""
        path = f"{SCRATCH}/{name}{STREAM}"
        file = self.storage.create(path)
        try:
            with pa.ipc.new_stream(file.sink, LOOKED) as writer:
                yield path, writer
            with as_warehouse_error("written", self.location):
                file.commit()
        except BaseException:
            file.discard()  # Nobody will publish it.
            raise

    def staged(self) -> list[str]:
        """The names of the whole streams that wait to be published."""
        paths = (PurePosixPath(path) for path in self.storage.list(SCRATCH))
        return [path.stem for path in paths if path.suffix == STREAM]

    def discard(self, names: Sequence[str]) -> None:
        """Removes streams that nobody will publish."""
        if names:
            self.storage.remove(*(f"{SCRATCH}/{name}{STREAM}" for name in names))

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

        Streams whose names begin with `run_id` are removed too: a worker that was lost left them. What fails once the
        snapshot is committed is in `Published.warnings`, and the next publication does it.
        """
        # Who asks a question need not wait for what flattens rows.
        from pipeline.warehouse.publish import publish

        return publish(self.storage, self.holdings, window, extracted, now, run_id, self.grace)


def _open_storage(location: str, patience: float, kms_key: str | None) -> Storage:
    scheme, is_uri, _ = location.partition("://")
    if is_uri and scheme.lower() == "s3":
        # Who has a folder need not wait for boto3 to be loaded.
        from pipeline.warehouse.s3_storage import ObjectStorage

        return ObjectStorage(location, patience, kms_key)
    if is_uri:
        raise ConfigurationError(f"The warehouse {location} is neither a folder nor an s3:// URI.")
    if unusable := next((character for character in "?\\" if character in location), None):
        raise ConfigurationError(
            f"The warehouse {location} has a {unusable} in its path, with which DuckDB opens no file: take another "
            "folder."
        )
    try:
        return LocalStorage(Path(location).absolute(), patience)
    except OSError as error:
        raise ConfigurationError(
            f"The working directory cannot be used ({error.strerror}), and the warehouse {location} is relative to it: "
            "give the full path, or change to a directory that exists."
        ) from error
