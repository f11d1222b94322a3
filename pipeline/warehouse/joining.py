"""Joins the snapshots of many files into one file a table, and proves that it holds what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS, TABLES, Table
from pipeline.errors import WarehouseError
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.publication import ROW_GROUP, columns_of
from pipeline.warehouse.raw_tables import bound_scan
from pipeline.warehouse.scan import answer, open_connection
from pipeline.warehouse.snapshot_ids import Name, joined_id, newest_of_each_window, path_of
from pipeline.warehouse.storage import NewFile, UnknownOutcomeError
from pipeline.warehouse.warehouse import Warehouse

JOINED_ROW_GROUP = 131_072
"""Rows of a joined file that are held in memory, and make a row group."""


def join(home: Warehouse, holdings: Holdings, span: str, sources: Sequence[Name]) -> Name:
    """Writes all snapshots of the sources to one file a table, the commit last; returns its name.

    Raises WarehouseError, and leaves nothing, where that fails, or where what was written does not hold the same.
    """
    joined = Name(span, max(name.newest for name in sources))
    written: list[NewFile] = []
    try:
        for table in (*DATA_TABLES, EXTRACTS):
            if table is EXTRACTS:  # Proven before it counts.
                for data in DATA_TABLES:
                    _require_same(home, holdings, data, joined, sources)
            file = home.storage.create(path_of(table, joined), only_new=table is EXTRACTS)
            written.append(file)
            with pq.ParquetWriter(file.sink, table.schema, compression="zstd") as writer:
                for rows in _joined_rows(home, holdings, table, span, sources):
                    writer.write_table(rows)
            file.commit()
        _require_same(home, holdings, EXTRACTS, joined, sources)
    except UnknownOutcomeError:
        raise
    except BaseException:
        for file in reversed(written):  # The commit first.
            file.discard()
        raise
    return joined


def holds(home: Warehouse, holdings: Holdings, joined: Name, sources: Sequence[Name]) -> bool:
    """Whether a joined file of every table holds the rows of the sources."""
    return all(_differences(home, holdings, table, joined, sources) == 0 for table in TABLES)


def _require_same(home: Warehouse, holdings: Holdings, table: Table, joined: Name, sources: Sequence[Name]) -> None:
    if number := _differences(home, holdings, table, joined, sources):
        raise WarehouseError(
            f"{path_of(table, joined)} in the warehouse {home.location} was written and does not hold what was joined: "
            f"{number} of its snapshots differ. It was taken back, and nothing was removed."
        )


def _differences(home: Warehouse, holdings: Holdings, table: Table, joined: Name, sources: Sequence[Name]) -> int:
    """How many snapshots of the sources are not in the joined file with the same rows; both are read from the place."""
    columns = ", ".join(column.name for column in table.columns if column.name != "snapshot_id")
    after = Holdings(home.location, {path_of(table, joined): 0})

    def told(rows: str) -> str:
        return (
            f"select regexp_extract(snapshot_id, '^[^-]+-[^-]+-[^-]+') as id, count(*) as n, "
            f"sum(hash({columns})) as total, bit_xor(hash({columns})) as mixed from ({rows}) group by id"
        )

    def ask() -> int:
        before = bound_scan(table, home, holdings, sources)
        now = bound_scan(table, home, after, [joined])
        with open_connection(home) as connection:
            query = f"select count(*) from (({told(before)}) except ({told(now)}))"
            ((number,),) = connection.sql(query).fetchall()
        return int(number)

    return answer(home, ask)


def _joined_rows(
    home: Warehouse, holdings: Holdings, table: Table, span: str, sources: Sequence[Name]
) -> Iterator[pa.Table]:
    """The rows of the sources, about `JOINED_ROW_GROUP` at a time, sorted by image builder within each row group:
    that takes a third of the space, and is the order in which the views of history read.

    Of a window with several snapshots only the newest is joined.
    """
    newest = set(newest_of_each_window(name.newest for name in sources if not name.span))
    pending: list[pa.Table] = []
    for name in sources:
        if not name.span and name.newest not in newest:
            continue
        for path in holdings.files(table, [name]):  # None where the contract had no such table then.
            with home.storage.open(path) as source:
                for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                    rows = pa.table(batch)
                    pending.append(columns_of(table, rows, _joined_ids(rows["snapshot_id"], span)))
                    if sum(part.num_rows for part in pending) >= JOINED_ROW_GROUP:
                        yield _by_builder(table, pending)
                        pending = []
    if pending:
        yield _by_builder(table, pending)


def _joined_ids(ids: pa.ChunkedArray, span: str) -> pa.Array:
    told = ids.combine_chunks().dictionary_encode()
    named = pa.array([joined_id(i, span) for i in told.dictionary.to_pylist()], pa.string())
    return named.take(told.indices)


def _by_builder(table: Table, parts: list[pa.Table]) -> pa.Table:
    key = sorted(table.key, key=lambda name: name != "arn")
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in key])
