"""Many targets at once, each on its own: a look at every one, and a row of `extracts` that says how it went.

It knows neither Dagster nor the warehouse: rows go to a stream of Arrow batches, the `extracts` rows are returned.
"""

from __future__ import annotations

import array
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

import boto3
import botocore
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from pipeline import appstream, contract, failures
from pipeline.appstream import Listing, Patience, Selection
from pipeline.normalize import LOOKED
from pipeline.pages import Page
from pipeline.targets import Target

SPOOL_ROWS = 8192
"""Builders, of a kilobyte or so each, that a target's look may hold in memory before they move to a file."""

Row = dict[str, Any]


@dataclass
class Progress:
    """How far a sweep has come. Written from many threads, each number under the lock."""

    targets: int
    done: int = 0
    failed: int = 0
    builders: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, done: int = 0, failed: int = 0, builders: int = 0) -> None:
        with self._lock:
            self.done += done
            self.failed += failed
            self.builders += builders


@dataclass(frozen=True)
class Sweep:
    """How to look at targets.

    `now` is the clock, `report` is told of progress after every page and target.
    """

    session: boto3.Session
    now: Callable[[], datetime]
    selection: Selection = field(default_factory=Selection)
    patience: Patience = field(default_factory=Patience)
    concurrency: int = 32
    run_id: str | None = None
    report: Callable[[Progress], None] = lambda progress: None

    def run(self, targets: Sequence[Target], sink: pa.ipc.RecordBatchStreamWriter) -> list[Row]:
        """Looks at every target; the rows of those that were seen go to `sink` (schema `LOOKED`), whole ones only.

        Returns the rows of `extracts`, in the order of `targets`, without the columns that the snapshot gives.
        A target that fails is a row; nothing that a target does is raised.
        """
        progress = Progress(len(targets))
        with ThreadPoolExecutor(max(1, min(self.concurrency, len(targets))), "look") as pool, _cancelled(pool):
            looks = {pool.submit(self._look, target, progress): target for target in targets}
            rows: dict[Target, Row] = {}
            for done in as_completed(looks):
                look = done.result()
                rows[looks[done]] = look.row
                with look.spool:
                    for batch in look.spool.batches():
                        sink.write_batch(batch)
                progress.add(done=1, failed=look.row["status"] != "ok")
                self.report(progress)
        return [rows[target] for target in targets]

    def _look(self, target: Target, progress: Progress) -> _Look:
        started, spool = self.now(), _Spool(target)
        listing: Listing | None = None
        rest: dict[str, Any] = {}
        failure: failures.Failure | None = None
        builders = duplicates = 0
        try:
            client = appstream.client(self.session, target.region)
            listing = Listing(client, self.selection, self.patience, self.now)
            for page in listing:
                rest |= page.rest
                spool.write(page, listing.received_at or started)
                builders += len(page)
                progress.add(builders=len(page))
                self.report(progress)
            duplicates = spool.finish()
        except Exception as error:
            failure = failures.describe(error)
            spool.drop()
        whole = self.selection.is_whole and listing is not None and listing.resume_token is None
        return _Look(
            spool,
            {
                "account_id": target.account_id,
                "region": target.region,
                "status": failure.status if failure else "ok",
                "complete": failure is None and whole,
                "error_code": failure.code if failure else None,
                "error_message": failure.message if failure else None,
                "started_at": started,
                "observed_at": self.now(),
                "pages": listing.pages if listing else 0,
                "builders": 0 if failure else builders - duplicates,
                "duplicates": duplicates,
                "retries": listing.retries if listing else 0,
                "first_request_id": listing.request_ids[0] if listing and listing.request_ids else None,
                "last_request_id": listing.request_ids[-1] if listing and listing.request_ids else None,
                "resume_token": listing.resume_token if listing and not failure else None,
                "botocore_version": botocore.__version__,
                "contract_version": contract.VERSION,
                "run_id": self.run_id,
                contract.EXTRA: json.dumps(rest, default=str) if rest else None,
            },
        )


@contextmanager
def _cancelled(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Whatever ends the sweep early does not wait for the targets that nobody has begun to look at."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


@dataclass(frozen=True)
class _Look:
    spool: _Spool
    row: Row


def looked(target: Target, pages: Sequence[tuple[Page, datetime]]) -> pa.RecordBatch:
    """The image builders of pages of a target, with the moment at which each page was received, as `LOOKED`."""
    builders = pa.concat_arrays([page.builders for page, _ in pages])
    arn = pc.struct_field(builders, "Arn")
    arn = pc.if_else(pc.equal(arn, ""), None, arn)
    if arn.null_count:
        names = pc.struct_field(builders, "Name")
        arn = pc.coalesce(arn, pc.binary_join_element_wise(target.arn(""), names, ""))
    columns = [
        pa.repeat(target.account_id, len(builders)),
        pa.repeat(target.region, len(builders)),
        pa.concat_arrays([pa.repeat(pa.scalar(moment, contract.MOMENT), len(page)) for page, moment in pages]),
        arn,
        builders,
        pa.concat_arrays([page.extra for page, _ in pages]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=LOOKED)


class _Spool:
    """The rows of one look until it is known to be whole: in memory, and on disk once they are many.

    Pages are written, the spool is finished, then its batches, few and large, can be read.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pages: list[tuple[Page, datetime]] = []
        self._rows = 0
        self._last: list[pa.RecordBatch] = []
        self._file: IO[bytes] | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        # Eight bytes a builder, not its ARN, so that a large account does not need large memory.
        self._hashes = array.array("q")

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def write(self, page: Page, observed_at: datetime) -> None:
        self._pages.append((page, observed_at))
        self._rows += len(page)
        if self._rows >= SPOOL_ROWS:
            self._spill(self._batch())

    def finish(self) -> int:
        """Drops all but the last row of each ARN; returns how many rows went."""
        if self._pages:
            self._last = [self._batch()]
        rows = len(self._hashes)
        hashes = pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(self._hashes)])
        if self._writer:
            for batch in self._last:
                self._spill(batch)
            self._last = []
            self._writer.close()
        return 0 if pc.count_distinct(hashes).as_py() == rows else self._keep_later_of_duplicates()

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self._file:
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)
        yield from self._last

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()
        self._pages, self._last, self._file, self._writer = [], [], None, None

    def _batch(self) -> pa.RecordBatch:
        """What is pending, its ARNs taken note of."""
        batch = looked(self._target, self._pages)
        self._hashes.extend(map(hash, batch["arn"].to_pylist()))
        self._pages, self._rows = [], 0
        return batch

    def _spill(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._file = tempfile.TemporaryFile(buffering=2**20)
            self._writer = pa.ipc.new_stream(self._file, LOOKED)
        self._writer.write_batch(batch)

    def _keep_later_of_duplicates(self) -> int:
        last = {arn: row for row, arn in enumerate(a for b in self.batches() for a in b["arn"].to_pylist())}
        kept, start = _Spool(self._target), 0
        for batch in self.batches():
            keep = [last[arn] == start + row for row, arn in enumerate(batch["arn"].to_pylist())]
            kept._spill(batch.filter(pa.array(keep, pa.bool_())))
            start += len(keep)
        if kept._writer:
            kept._writer.close()
        self.drop()
        self._file = kept._file
        return start - len(last)
