"""Writes the files of a snapshot, the commit last: what is seen now, merged with what the window held before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.contract import DATA_TABLES, EXTRACTS, LOOKED, TABLES, Table
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.merge import Merge, Row
from pipeline.warehouse.normalize import normalize
from pipeline.warehouse.snapshot_ids import path_of
from pipeline.warehouse.storage import Held, NewFile, Storage, UnknownOutcomeError
from pipeline.warehouse.uninterrupted import uninterrupted
from pipeline.windows import Window

ROW_GROUP = 16_384
"""Image builders that are flattened and written at once: memory depends on this, not on how many there are."""


@dataclass(frozen=True)
class Published:
    """A committed snapshot: its rows of `extracts`; path and number of rows of each table, by the table's name."""

    snapshot_id: str
    rows: list[Row]
    paths: dict[str, str]
    counts: dict[str, int]
    warnings: tuple[str, ...] = ()
    """What failed once it was committed, and is left to the next publication."""


@dataclass(frozen=True)
class Publication:
    """A snapshot on its way: the looks merged with `earlier`, the window's snapshot so far, if there is one."""

    storage: Storage
    window: Window
    snapshot_id: str
    earlier: str | None
    merge: Merge
    holdings: Holdings
    """What the warehouse held before."""

    def write(self, streams: Sequence[str], lock: Held) -> Published:
        """Writes every table, then the commit. Nothing is left where it fails before that."""
        paths = {t.name: path_of(t, self.snapshot_id) for t in TABLES}
        files: dict[str, NewFile] = {}
        try:
            for table in DATA_TABLES:
                files[table.name] = self.storage.create(paths[table.name])
            counts = self._write_data(files, streams)
            looks = [r | {"table_rows": json.dumps(counts)} for r in self.merge.rows(self.snapshot_id, self.window)]
            for file in files.values():
                file.commit()
            files[EXTRACTS.name] = commit = self.storage.create(paths[EXTRACTS.name], only_new=True)
            pq.write_table(pa.Table.from_pylist(looks, schema=EXTRACTS.schema), commit.sink, compression="zstd")
            # The commit is begun only when all other files are in their place: with it, the snapshot exists.
            lock.require()
            uninterrupted(commit.commit)
        except UnknownOutcomeError:
            raise  # If it is committed, its files are needed.
        except BaseException:
            for file in reversed(files.values()):  # The commit first.
                file.discard()
            raise
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
        if path not in self.holdings.paths:
            return  # The earlier snapshot was published before the contract had this table.
        with self.storage.open(path) as source:
            for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                ids = pa.repeat(pa.scalar(self.snapshot_id), batch.num_rows)
                yield columns_of(table, pa.table(batch), ids)


def columns_of(table: Table, rows: pa.Table, snapshot_ids: pa.Array) -> pa.Table:
    """Rows of earlier snapshots as rows of others, with null in columns that the table did not have then."""
    columns = [
        snapshot_ids
        if f.name == "snapshot_id"
        else rows[f.name]
        if f.name in rows.schema.names
        else pa.nulls(rows.num_rows, f.type)
        for f in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)
