"""Writes a snapshot's files, the commit last, and then removes what it supersedes and what dead runs left behind.

A snapshot exists from the moment its `extracts` file is there. Whichever process dies whenever, readers of committed
snapshots see the one before or the one after. docs/warehouse.md describes the steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.contract import DATA_TABLES, EXTRACTS, LOOKED, TABLES, Table
from pipeline.warehouse.merge import Merge, Row
from pipeline.warehouse.normalize import normalize
from pipeline.warehouse.snapshot_ids import newest_of_each_window, path_of, snapshot_of
from pipeline.warehouse.storage import SCRATCH, NewFile, Storage
from pipeline.windows import Window

ROW_GROUP = 16_384
"""Image builders that are flattened and written at once: memory depends on this, not on how many there are."""

STALE_AFTER = 24 * 3600.0
"""Seconds after which a file in the scratch folder is taken for a dead run's."""


@dataclass(frozen=True)
class Extracted:
    """What an extract step hands over: rows of `extracts`, and the path of its stream in the scratch folder."""

    rows: list[Row]
    stream: str


@dataclass(frozen=True)
class Published:
    """A committed snapshot: its rows of `extracts`; path and number of rows of each table, by the table's name."""

    snapshot_id: str
    rows: list[Row]
    paths: dict[str, str]
    counts: dict[str, int]


@dataclass(frozen=True)
class Publication:
    """A snapshot on its way: the looks merged with `earlier`, the window's snapshot so far, if there is one."""

    storage: Storage
    window: Window
    snapshot_id: str
    earlier: str | None
    merge: Merge

    def write(self, streams: Sequence[str]) -> Published:
        """Writes every table, then the commit."""
        paths = {t.name: path_of(t, self.snapshot_id) for t in TABLES}
        files = {t.name: self.storage.create(paths[t.name]) for t in DATA_TABLES}
        try:
            counts = self._write_data(files, streams)
            for file in files.values():
                file.commit()
        except BaseException:
            for file in files.values():
                file.sink.close()
            raise
        # The commit is begun only when all other files are in their place: with it, the snapshot exists.
        looks = [r | {"table_rows": json.dumps(counts)} for r in self.merge.rows(self.snapshot_id, self.window)]
        commit = self.storage.create(paths[EXTRACTS.name])
        pq.write_table(pa.Table.from_pylist(looks, schema=EXTRACTS.schema), commit.sink, compression="zstd")
        commit.commit()
        return Published(self.snapshot_id, looks, paths, counts | {EXTRACTS.name: len(looks)})

    def _write_data(self, files: dict[str, NewFile], streams: Sequence[str]) -> dict[str, int]:
        """Writes what was extracted, and what is kept of the earlier snapshot; returns the rows of each table."""
        counts = dict.fromkeys(files, 0)
        with ExitStack() as stack:
            writers = {
                t.name: stack.enter_context(pq.ParquetWriter(files[t.name].sink, t.schema, compression="zstd"))
                for t in DATA_TABLES
            }

            def write(table: Table, rows: pa.Table) -> None:
                if rows.num_rows:
                    writers[table.name].write_table(rows)
                counts[table.name] += rows.num_rows

            pool = stack.enter_context(ThreadPoolExecutor())  # Arrow writes without holding the interpreter's lock.
            if self.earlier and self.merge.needs_earlier:
                for rows in self._rows_of(contract.IMAGE_BUILDERS, self.earlier):
                    self.merge.begin(rows)
            for looked in self._staged(streams):
                tables = normalize(self.merge.now(looked), self.snapshot_id)
                name = contract.IMAGE_BUILDERS.name
                tables[name] = self.merge.tags_told_before(tables[name])
                list(pool.map(write, DATA_TABLES, [tables[t.name] for t in DATA_TABLES]))
            if self.earlier and self.merge.keeps_earlier:
                for table in DATA_TABLES:
                    for rows in self._rows_of(table, self.earlier):
                        rows = rows.filter(self.merge.keeps(table, rows))
                        write(table, rows)
                        if table is contract.IMAGE_BUILDERS:
                            self.merge.kept(rows)
        return counts

    def _staged(self, streams: Sequence[str]) -> Iterator[pa.Table]:
        """What was extracted, about `ROW_GROUP` image builders at a time."""
        pending: list[pa.RecordBatch] = []
        rows = 0
        for stream in streams:
            with self.storage.open(stream) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    pending.append(batch)
                    rows += batch.num_rows
                    if rows >= ROW_GROUP:
                        yield pa.Table.from_batches(pending, LOOKED)
                        pending, rows = [], 0
        yield pa.Table.from_batches(pending, LOOKED)

    def _rows_of(self, table: Table, earlier: str) -> Iterator[pa.Table]:
        """The rows of the earlier snapshot, as rows of the new one."""
        path = path_of(table, earlier)
        if path not in self.storage.list(PurePosixPath(path).parent.as_posix()):
            return  # The earlier snapshot was published before the contract had this table.
        with self.storage.open(path) as source:
            for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                yield columns_of(table, pa.table(batch), self.snapshot_id)


def clean(storage: Storage, streams: Sequence[str], run_id: str | None, grace: float) -> None:
    """Removes superseded snapshots, files without a commit, and stale files of the scratch folder.

    Readers that have just listed a superseded snapshot get `grace` seconds to open its files.
    """
    committed = committed_ids(storage)
    newest = set(newest_of_each_window(committed))
    superseded = [i for i in committed if i not in newest]
    if superseded:
        time.sleep(grace)
    for old in superseded:
        # The commit goes first: while it is there, its data must be too.
        storage.remove(path_of(EXTRACTS, old))
    for table in DATA_TABLES:
        for path in storage.list(table.name):
            snapshot_id = snapshot_of(path)
            if snapshot_id is None or snapshot_id in newest:
                continue
            # Where there is no lock, a file without a commit may be another run's that is about to commit.
            is_dead = storage.has_lock or storage.age(path) > STALE_AFTER
            if snapshot_id in superseded or is_dead:
                storage.remove(path)
    for stream in streams:
        storage.remove(stream)
    for path in storage.list(SCRATCH):
        is_of_this_run = run_id is not None and PurePosixPath(path).name.startswith(run_id)
        if is_of_this_run or storage.age(path) > STALE_AFTER:
            storage.remove(path)


def committed_ids(storage: Storage) -> list[str]:
    """The ids of all committed snapshots, superseded ones included, joined days not."""
    return sorted(filter(None, map(snapshot_of, storage.list(EXTRACTS.name))))


def columns_of(table: Table, rows: pa.Table, snapshot_id: str) -> pa.Table:
    """Rows of an earlier snapshot as rows of another one, with null in columns that the table did not have then."""
    columns = [
        pa.repeat(pa.scalar(snapshot_id), rows.num_rows)
        if f.name == "snapshot_id"
        else rows[f.name]
        if f.name in rows.schema.names
        else pa.nulls(rows.num_rows, f.type)
        for f in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)
