"""Holds the rows of one look until the look is known to be whole: in memory while they are few, then in a file."""

from __future__ import annotations

import array
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from pipeline import contract
from pipeline.contract import LOOKED
from pipeline.extract.page import Page
from pipeline.targets import Target

SPOOL_ROWS = 8192
"""Image builders, of about a kilobyte each, that a look may hold in memory before they move to a file."""


ReceivedPage = tuple[Target, Page, datetime, pa.Array | None]
"""A page of a target, the moment at which it was received, and its builders' tags where they were asked for."""


def arns(builders: pa.StructArray, stems: pa.StringArray | pa.StringScalar) -> pa.StringArray:
    """The ARNs of image builders; one that a reply leaves out is made of its target's and its name.

    `stems` are those of the targets, one for each builder or one for all.
    """
    arn = pc.struct_field(builders, "Arn")
    is_missing = pc.equal(pc.fill_null(arn, ""), "")
    composed = pc.binary_join_element_wise(stems, pc.struct_field(builders, "Name"), "")
    return pc.if_else(is_missing, composed, arn)


def looked(pages: Sequence[ReceivedPage]) -> pa.RecordBatch:
    """The image builders of pages, of one target or several, as a batch of the schema `contract.LOOKED`."""
    # All pages in one call: calls for each, of which there may be thousands, would wait for other threads at each.
    page_of = pa.array([n for n, (_, page, *_) in enumerate(pages) for _ in range(len(page))], pa.int64())

    def repeated(values: Iterator[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(page_of)

    builders = pa.concat_arrays([page.builders for _, page, *_ in pages])
    columns = [
        repeated((target.account_id for target, *_ in pages), pa.string()),
        repeated((target.region for target, *_ in pages), pa.string()),
        repeated((moment for *_, moment, _ in pages), contract.MOMENT),
        arns(builders, repeated((target.arn("") for target, *_ in pages), pa.string())),
        builders,
        pa.concat_arrays([page.extra for _, page, *_ in pages]),
        pa.concat_arrays(
            [pa.nulls(len(page), contract.TAG_LIST) if tags is None else tags for _, page, _, tags in pages]
        ),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=LOOKED)


class Spool:
    """The rows of one look. Pages are written, the spool is finished, then its content is read.

    A look of a single page keeps it as it is (`pages`); of more, it makes few and large batches (`batches`).
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pages: list[ReceivedPage] = []
        self._rows = 0
        self._last: list[pa.RecordBatch] = []
        self._file: IO[bytes] | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        # A hash of eight bytes a builder and not its ARN, so that a large account does not need much memory.
        self._hashes = array.array("q")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def write(self, page: Page, observed_at: datetime, tags: pa.Array | None = None) -> None:
        self._pages.append((self._target, page, observed_at, tags))
        self._rows += len(page)
        if self._rows >= SPOOL_ROWS:
            self._spill(self._batch())

    def finish(self) -> int:
        """Drops all but the last row of each ARN; returns the number of rows dropped."""
        if len(self._pages) == 1 and not self._hashes and self._pages[0][1].is_distinct:
            # A single page is batched with other targets' pages, because per-batch overhead dominates for small ones.
            return 0
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

    def pages(self) -> list[ReceivedPage]:
        """The page of a look that has only one; its rows are not among the `batches`."""
        return self._pages

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
        """The pending pages as a batch, with their ARNs noted."""
        batch = looked(self._pages)
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
        kept, start = Spool(self._target), 0
        for batch in self.batches():
            keep = [last[arn] == start + row for row, arn in enumerate(batch["arn"].to_pylist())]
            kept._spill(batch.filter(pa.array(keep, pa.bool_())))
            start += len(keep)
        if kept._writer:
            kept._writer.close()
        self.drop()
        self._file = kept._file
        return start - len(last)
