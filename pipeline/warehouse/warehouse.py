"""Partitioned Parquet: one snapshot a window, committed in one piece, read whole.

A snapshot is there from the moment its `extracts` file is there. Whatever process dies whenever, readers of
committed snapshots see the one before or the one after. docs/warehouse.md tells the layout.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.contract import DATA_TABLES, EXTRACTS, HIVE_KEY, TABLES, Table
from pipeline.errors import NoSnapshotError
from pipeline.warehouse.normalize import LOOKED, normalize
from pipeline.warehouse.storage import SCRATCH, UNPUBLISHED, NewFile, Storage, open_storage, told
from pipeline.windows import Window

ROW_GROUP = 16_384
"""Builders that are flattened and written at once: memory depends on this and not on how many there are."""

STALE_AFTER = 24 * 3600.0
"""Seconds after which what a run left in the scratch folder is taken for a dead run's."""

GRACE = 1.0
"""Seconds between a commit and the removal of what it supersedes: for readers who listed the commits before it."""

CHECKPOINTS = "_checkpoints"
"""The folder of what old commits say that still matters; see `upkeep`."""

DAY, JOINED = "day-", "-day"
"""How the name of a file begins that holds all snapshots of a day, and how the ids of snapshots in it end."""

_MOMENT_ID = "%Y%m%dT%H%M%S%f"
_SNAPSHOT_ID = re.compile(r"\d{8}T\d{4}P\d+H-(\d{8}T\d{12})-[0-9a-f]{4}")

_LATER = ("status", "error_code", "error_message", "observed_at", "resume_token")

Row = dict[str, Any]
TargetKey = tuple[str, str]


@dataclass(frozen=True)
class Extracted:
    """What an extract step hands to publish: rows of `extracts`, and the stream of builders in the scratch folder."""

    rows: list[Row]
    stream: str


@dataclass(frozen=True)
class Published:
    """A committed snapshot: its `extracts` rows, and path and number of rows of each table by its name."""

    snapshot_id: str
    rows: list[Row]
    paths: dict[str, str]
    counts: dict[str, int]


class Warehouse:
    """The warehouse at a folder or s3:// URI. Methods raise WarehouseError when it cannot be read or written."""

    def __init__(self, location: str) -> None:
        self.storage: Storage = open_storage(location)

    @property
    def location(self) -> str:
        return self.storage.location

    def snapshots(self) -> list[str]:
        """The ids of the committed snapshots, one a window, oldest first."""
        ids = self._committed()
        for path in self.storage.list(EXTRACTS.name):
            if PurePosixPath(path).name.startswith(DAY):
                with self.storage.open(path) as source:
                    ids += pc.unique(pq.read_table(source, columns=["snapshot_id"])["snapshot_id"]).to_pylist()
        return _newest_of_each_window(ids)

    def newest(self) -> str | None:
        """The id of the newest committed snapshot; None where there is none."""
        path = self.storage.end(EXTRACTS.name, newest=True)
        return PurePosixPath(path).stem.removeprefix(DAY) if path else None

    def require_snapshot(self) -> None:
        """Raises NoSnapshotError while nothing is committed."""
        if self.storage.end(EXTRACTS.name, newest=True) is None:
            raise NoSnapshotError(
                f"The warehouse {self.location} holds no snapshot yet: run `image-builders snapshot` first, or "
                "set IMAGE_BUILDERS_WAREHOUSE to the one you mean."
            )

    def path(self, table: Table, snapshot_id: str) -> str:
        """Where a snapshot's file of a table is, relative to the warehouse."""
        date = datetime.strptime(snapshot_id[:8], "%Y%m%d").strftime("%Y-%m-%d")
        return f"{table.name}/{HIVE_KEY}={date}/{snapshot_id}.parquet"

    def read(self, table: Table, snapshot_id: str) -> pa.Table:
        """A table of one snapshot."""
        with self.storage.open(self.path(table, snapshot_id)) as source:
            return pq.read_table(source)

    def clear(self) -> None:
        """Removes every snapshot, the commits first, and nothing else."""
        with self.storage.lock():
            for table in (EXTRACTS, *DATA_TABLES):
                for path in self.storage.list(table.name):
                    if _snapshot_of(path) or PurePosixPath(path).name.startswith(DAY):
                        self.storage.remove(path)
            for path in self.storage.list(CHECKPOINTS):
                self.storage.remove(path)

    def head(self, table: Table, snapshot_id: str, rows: int) -> pa.Table:
        """The first rows of a table of one snapshot, without reading the rest."""
        with self.storage.open(self.path(table, snapshot_id)) as source:
            for batch in pq.ParquetFile(source).iter_batches(rows):
                return pa.table(batch)
        return table.schema.empty_table()

    @contextmanager
    def stage(self, name: str) -> Iterator[tuple[str, pa.ipc.RecordBatchStreamWriter]]:
        """A stream of the schema `LOOKED` in the scratch folder, to be named in `Extracted`."""
        path = f"{SCRATCH}/{name}.arrow"
        file = self.storage.create(path)
        try:
            with pa.ipc.new_stream(file.sink, LOOKED) as writer:
                yield path, writer
            file.commit()
        except BaseException:
            # Nobody will publish it; whether or not it can be removed, what was raised is what matters.
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
        """Commits a snapshot of the window, and then removes what it supersedes and what dead runs left.

        The window's earlier snapshot is replaced target by target: a target that was not looked at now keeps
        its earlier rows; one whose look failed too, and says so in `later_*`; one looked at in part has its
        rows added or refreshed.

        Streams whose names begin with `run_id` are removed too: a worker that was lost left them.
        """
        with self.storage.lock(), told("written", self.location):
            for path in self.storage.list(UNPUBLISHED):  # Only a dead run left it: we hold the lock.
                self.storage.remove(path)
            earlier = self._newest(window)
            snapshot_id = _new_id(window, now(), earlier)
            merge = _Merge.of(
                [r for e in extracted for r in e.rows],
                self.read(EXTRACTS, earlier).to_pylist() if earlier else [],
            )
            streams = [e.stream for e in extracted]
            published = self._write(window, snapshot_id, earlier, merge, streams)
            self._clean(streams, run_id)
        return published

    def _write(
        self, window: Window, snapshot_id: str, earlier: str | None, merge: _Merge, streams: Sequence[str]
    ) -> Published:
        paths = {t.name: self.path(t, snapshot_id) for t in TABLES}
        files = {t.name: self.storage.create(paths[t.name]) for t in DATA_TABLES}
        try:
            counts = self._write_data(files, snapshot_id, earlier, merge, streams)
            for file in files.values():
                file.commit()
        except BaseException:
            for file in files.values():
                file.sink.close()
            raise
        # The commit is not begun before all else is in its place; with it the snapshot is there.
        looks = merge.rows(snapshot_id, window)
        commit = self.storage.create(paths[EXTRACTS.name])
        pq.write_table(pa.Table.from_pylist(looks, schema=EXTRACTS.schema), commit.sink, compression="zstd")
        commit.commit()
        return Published(snapshot_id, looks, paths, counts | {EXTRACTS.name: len(looks)})

    def _write_data(
        self, files: dict[str, NewFile], snapshot_id: str, earlier: str | None, merge: _Merge, streams: Sequence[str]
    ) -> dict[str, int]:
        """Writes what was extracted, and what lives on of the earlier snapshot; returns the rows of each table."""
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

            pool = stack.enter_context(ThreadPoolExecutor())  # Arrow writes without the interpreter.
            for looked in self._staged(streams):
                merge.saw(looked)
                tables = normalize(looked, snapshot_id)
                list(pool.map(write, DATA_TABLES, [tables[t.name] for t in DATA_TABLES]))
            if earlier and merge.keeps_earlier:
                for table in DATA_TABLES:
                    for rows in self._kept(table, earlier, merge, snapshot_id):
                        write(table, rows)
                        if table is contract.IMAGE_BUILDERS:
                            merge.kept(rows)
        return counts

    def _staged(self, streams: Sequence[str]) -> Iterator[pa.Table]:
        """What was extracted, some `ROW_GROUP` builders at a time."""
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

    def _kept(self, table: Table, earlier: str, merge: _Merge, snapshot_id: str) -> Iterator[pa.Table]:
        """The rows of the window's earlier snapshot that the new one keeps, as its own."""
        if self.path(table, earlier) not in self.storage.list(
            PurePosixPath(self.path(table, earlier)).parent.as_posix()
        ):
            return  # It was published before there was such a table.
        with self.storage.open(self.path(table, earlier)) as source:
            for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                rows = pa.table(batch)
                yield columns_of(table, rows.filter(merge.keeps(table, rows)), snapshot_id)

    def _clean(self, streams: Sequence[str], run_id: str | None) -> None:
        """Removes superseded snapshots, files without a commit, and what is stale in the scratch folder."""
        committed = self._committed()
        newest = set(_newest_of_each_window(committed))
        superseded = [i for i in committed if i not in newest]
        if superseded:
            time.sleep(GRACE)
        for old in superseded:
            # The commit goes first: while it is there, its data must be too.
            self.storage.remove(self.path(EXTRACTS, old))
        for table in DATA_TABLES:
            for path in self.storage.list(table.name):
                snapshot_id = _snapshot_of(path)
                if snapshot_id is None or snapshot_id in newest:
                    continue
                # Where there is no lock, what has no commit may be another run's that is about to have one.
                if snapshot_id in superseded or self._is_dead(path):
                    self.storage.remove(path)
        for stream in streams:
            self.storage.remove(stream)
        for path in self.storage.list(SCRATCH):
            is_ours = run_id is not None and PurePosixPath(path).name.startswith(run_id)
            if is_ours or self.storage.age(path) > STALE_AFTER:
                self.storage.remove(path)

    def _is_dead(self, path: str) -> bool:
        return self.storage.has_lock or self.storage.age(path) > STALE_AFTER

    def _committed(self) -> list[str]:
        return sorted(filter(None, map(_snapshot_of, self.storage.list(EXTRACTS.name))))

    def _newest(self, window: Window) -> str | None:
        return max((i for i in self._committed() if window_of(i) == window.id), default=None)


def columns_of(table: Table, rows: pa.Table, snapshot_id: str) -> pa.Table:
    """Rows of an earlier snapshot as those of another one, with all columns that the table has by now."""
    columns = [
        pa.repeat(pa.scalar(snapshot_id), rows.num_rows)
        if f.name == "snapshot_id"
        else rows[f.name]
        if f.name in rows.schema.names
        else pa.nulls(rows.num_rows, f.type)
        for f in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def window_of(snapshot_id: str) -> str:
    """How the id of a snapshot names its window."""
    return snapshot_id.partition("-")[0]


def _newest_of_each_window(snapshot_ids: Iterable[str]) -> list[str]:
    return sorted({window_of(i): i for i in sorted(snapshot_ids)}.values())


def _snapshot_of(path: str) -> str | None:
    stem = PurePosixPath(path).stem
    return stem if path.endswith(".parquet") and _SNAPSHOT_ID.fullmatch(stem) else None


def _new_id(window: Window, now: datetime, earlier: str | None) -> str:
    """Window, moment, chance: sorts by time, later than the window's earlier snapshot even if the clock is not."""
    moment = now.astimezone(UTC)
    if earlier and (match := _SNAPSHOT_ID.fullmatch(earlier)):
        before = datetime.strptime(match[1], _MOMENT_ID).replace(tzinfo=UTC)
        moment = max(moment, before + timedelta(microseconds=1))
    return f"{window.id}-{moment:{_MOMENT_ID}}-{secrets.token_hex(2)}"


def _target(row: Row) -> TargetKey:
    return row["account_id"], row["region"]


class _Merge:
    """Which rows of a window's earlier snapshot live on beside those of a new look, target by target."""

    def __init__(self, looks: dict[TargetKey, Row], earlier: dict[TargetKey, Row]) -> None:
        self._looks, self._earlier = looks, earlier
        seen = {t for t, row in looks.items() if row["status"] == "ok"}
        good = {t for t, row in earlier.items() if row["status"] == "ok"}
        self._refreshed = {t for t in seen & good if not looks[t]["complete"]}
        """Seen in part now: earlier builders live on unless they were seen again."""
        self._carried = set(earlier) - seen - (set(looks) - good)
        """Not looked at now, or looked at in vain: all earlier builders live on."""
        self._seen_again: set[str] = set()
        self._kept: dict[TargetKey, int] = {}

    @classmethod
    def of(cls, looks: Iterable[Row], earlier: Iterable[Row]) -> _Merge:
        return cls({_target(r): r for r in looks}, {_target(r): r for r in earlier})

    @property
    def keeps_earlier(self) -> bool:
        return bool(self._refreshed or self._carried)

    def saw(self, looked: pa.Table) -> None:
        """Takes note of the builders of the new look that replace an earlier row each."""
        if self._refreshed:
            self._seen_again.update(looked["arn"].filter(_of_targets(looked, self._refreshed)).to_pylist())

    def keeps(self, table: Table, rows: pa.Table) -> pa.ChunkedArray:
        """Which of an earlier table's rows live on."""
        again = pc.is_in(rows["arn"], pa.array(self._seen_again, pa.string()))
        if table.operation == contract.TAGS:  # Who was seen again without tags keeps those it had.
            told = {t for t in self._refreshed if self._looks[t].get("tags_status") == "ok"}
            again = pc.and_(again, _of_targets(rows, told))
        return pc.or_(
            _of_targets(rows, self._carried),
            pc.and_not(_of_targets(rows, self._refreshed), again),
        )

    def kept(self, builders: pa.Table) -> None:
        """Counts the builders that live on."""
        for row in builders.group_by(["account_id", "region"]).aggregate([([], "count_all")]).to_pylist():
            self._kept[_target(row)] = self._kept.get(_target(row), 0) + row["count_all"]

    def rows(self, snapshot_id: str, window: Window) -> list[Row]:
        """The new snapshot's `extracts`, ordered by target."""
        own = {"snapshot_id": snapshot_id, "window_start": window.start, "window_end": window.end}
        return [
            self._row(t) | own | {"is_configured": self._is_configured(t)} for t in sorted(self._looks | self._earlier)
        ]

    def _is_configured(self, target: TargetKey) -> bool | None:
        """Whether the newest run of the whole configuration named it; None while the window has seen no such run."""
        if any(row.get("is_configured") for row in self._looks.values()):
            return target in self._looks
        return self._earlier.get(target, {}).get("is_configured")

    def _row(self, target: TargetKey) -> Row:
        look, earlier = self._looks.get(target), self._earlier.get(target)
        if target in self._carried or (target in self._refreshed and earlier and earlier["complete"]):
            assert earlier
            row = earlier | {"carried_from": earlier["carried_from"] or earlier["snapshot_id"]}
            if look:
                row |= {f"later_{k}": look[k] for k in _LATER} | {"account_name": look["account_name"]}
                row[contract.EXTRA] = look[contract.EXTRA] or earlier[contract.EXTRA]
            if target in self._refreshed and look:
                row["builders"] = look["builders"] + self._kept.get(target, 0)
                row |= _worse_tags(earlier, look)
            return row
        assert look
        row = look | {"builders": look["builders"] + self._kept.get(target, 0)}
        if target in self._refreshed and earlier:
            row |= _worse_tags(earlier, look)
        return row


def _worse_tags(earlier: Row, look: Row) -> Row:
    """How it went with the tags of a target of which two looks tell: well only if with both."""
    worse = look if earlier.get("tags_status") == "ok" else earlier
    return {name: worse.get(name) for name in ("tags_status", "tags_error_code", "tags_error_message")}


def _of_targets(rows: pa.Table, targets: set[TargetKey]) -> pa.ChunkedArray:
    keys = pc.binary_join_element_wise(rows["account_id"], rows["region"], "/")
    return pc.is_in(keys, pa.array(["/".join(t) for t in targets], pa.string()))
