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
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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

SPOOL_BYTES = 8 * 2**20
"""What a target's look may hold in memory before it moves to a temporary file."""

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
        with ThreadPoolExecutor(max(1, min(self.concurrency, len(targets))), "look") as pool:
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
        started, spool = self.now(), _Spool()
        listing: Listing | None = None
        rest: dict[str, Any] = {}
        failure: failures.Failure | None = None
        builders = duplicates = 0
        try:
            client = appstream.client(self.session, target.region)
            listing = Listing(client, self.selection, self.patience)
            for page in listing:
                rest |= page.rest
                spool.write(_looked(target, page, self.now()))
                builders += len(page)
                progress.add(builders=len(page))
                self.report(progress)
            duplicates = spool.keep_later_of_duplicates()
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
                contract.EXTRA: json.dumps(rest, ensure_ascii=False, default=str) if rest else None,
            },
        )


@dataclass(frozen=True)
class _Look:
    spool: _Spool
    row: Row


def _looked(target: Target, page: Page, observed_at: datetime) -> pa.RecordBatch:
    rows = len(page)
    arn = pc.struct_field(page.builders, "Arn")
    if arn.null_count:
        names = pc.struct_field(page.builders, "Name")
        arn = pc.coalesce(arn, pc.binary_join_element_wise(target.arn(""), names, ""))
    columns = [
        pa.repeat(target.account_id, rows),
        pa.repeat(target.region, rows),
        pa.repeat(pa.scalar(observed_at, contract.MOMENT), rows),
        arn,
        page.builders,
        page.extra,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=LOOKED)


class _Spool:
    """The rows of one look until it is known to be whole: in memory, and on disk once they are many."""

    def __init__(self) -> None:
        self._file: Any = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._hashes = array.array("q")

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES)
            self._writer = pa.ipc.new_stream(self._file, LOOKED)
        self._writer.write_batch(batch)
        # Eight bytes a builder, not its ARN, so that a large account does not need large memory.
        self._hashes.extend(map(hash, batch["arn"].to_pylist()))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """What was written, in order; afterwards nothing more can be."""
        if self._writer is not None:
            self._writer.close()
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)

    def drop(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None

    def keep_later_of_duplicates(self) -> int:
        """Drops all but the last row of each ARN; returns how many rows went."""
        rows = len(self._hashes)
        hashes = pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(self._hashes)])
        if pc.count_distinct(hashes).as_py() == rows:
            return 0
        last = {arn: row for row, arn in enumerate(a for b in self.batches() for a in b["arn"].to_pylist())}
        kept, start = _Spool(), 0
        for batch in self.batches():
            keep = [last[arn] == start + row for row, arn in enumerate(batch["arn"].to_pylist())]
            kept.write(batch.filter(pa.array(keep, pa.bool_())))
            start += len(keep)
        self.drop()
        self._file, self._writer = kept._file, kept._writer
        return rows - len(last)
