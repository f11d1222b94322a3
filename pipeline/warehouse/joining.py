"""Joins the snapshots of many files into one file a table, and proves that it holds what they hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, EXTRACTS, TABLES, Table
from pipeline.errors import WarehouseError, counted
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.publication import ROW_GROUP, columns_of
from pipeline.warehouse.raw_tables import bound_scan
from pipeline.warehouse.scan import answer, open_connection
from pipeline.warehouse.snapshot_ids import Name, joined_id, newest_of_each_window, path_of, unjoined_id
from pipeline.warehouse.storage import NewFile, UnknownOutcomeError
from pipeline.warehouse.warehouse import Warehouse

JOINED_ROW_GROUP = 131_072
"""Rows of a joined file that are held in memory, and make a row group."""

_ID = "regexp_extract(snapshot_id, '^[^-]+-[^-]+-[0-9a-f]{4}')"
"""SQL for the id of a snapshot before it was joined."""


@dataclass(frozen=True)
class Kept:
    """The targets of snapshots whose rows are kept where others are forgotten."""

    targets: pa.Table
    """Columns: id (before it was joined), account_id, region."""
    rows: dict[str, Counter[str]] = field(default_factory=dict)
    """How many rows of each data table are kept, by the snapshot's id before it was joined."""

    def of(self, rows: pa.Table) -> pa.Table:
        """The rows that are kept."""
        ids = _mapped(rows["snapshot_id"], unjoined_id)
        keys = pc.binary_join_element_wise(
            ids, rows["account_id"].combine_chunks(), rows["region"].combine_chunks(), "/"
        )
        known = pc.binary_join_element_wise(*(self.targets[n] for n in ("id", "account_id", "region")), "/")
        return rows.filter(pc.is_in(keys, known.combine_chunks()))

    def count(self, table: Table, rows: pa.Table) -> None:
        """Counts rows that are kept."""
        for counts in pc.value_counts(_mapped(rows["snapshot_id"], unjoined_id)).to_pylist():
            self.rows.setdefault(counts["values"], Counter())[table.name] += counts["counts"]

    def with_counts(self, looks: pa.Table) -> pa.Table:
        """Rows of `extracts` that say how many rows there are now."""
        told = [
            json.dumps({t.name: self.rows.get(unjoined_id(i), Counter())[t.name] for t in DATA_TABLES})
            for i in looks["snapshot_id"].to_pylist()
        ]
        place = looks.schema.get_field_index("table_rows")
        return looks.set_column(place, looks.schema.field(place), pa.array(told, pa.string()))


def join(home: Warehouse, holdings: Holdings, joined: Name, sources: Sequence[Name], kept: Kept | None = None) -> None:
    """Writes all snapshots of the sources to one file a table, the commit last; or of them what is `kept`.

    Raises WarehouseError, and leaves nothing, where that fails, or where what was written does not hold the same.
    """
    written: list[NewFile] = []
    try:
        for table in (*DATA_TABLES, EXTRACTS):
            if table is EXTRACTS:  # Proven before it counts.
                for data in DATA_TABLES:
                    _require_same(home, holdings, data, joined, sources, kept)
            file = home.storage.create(path_of(table, joined), only_new=table is EXTRACTS)
            written.append(file)
            with pq.ParquetWriter(file.sink, table.schema, compression="zstd") as writer:
                for rows in _joined_rows(home, holdings, table, joined, sources, kept):
                    writer.write_table(rows)
            file.commit()
        _require_same(home, holdings, EXTRACTS, joined, sources, kept)
    except UnknownOutcomeError:
        raise
    except BaseException:
        for file in reversed(written):  # The commit first.
            file.discard()
        raise


def holds(home: Warehouse, holdings: Holdings, joined: Name, sources: Sequence[Name]) -> bool:
    """Whether a joined file of every table holds the rows of the sources."""
    return all(_differences(home, holdings, table, joined, sources, None) == 0 for table in TABLES)


def _require_same(
    home: Warehouse, holdings: Holdings, table: Table, joined: Name, sources: Sequence[Name], kept: Kept | None
) -> None:
    if number := _differences(home, holdings, table, joined, sources, kept):
        raise WarehouseError(
            f"{path_of(table, joined)} in the warehouse {home.location} was written and does not hold what was joined: "
            f"{counted(number, 'snapshot differs', 'snapshots differ')}. It was taken back, and nothing was removed."
        )


def _differences(
    home: Warehouse, holdings: Holdings, table: Table, joined: Name, sources: Sequence[Name], kept: Kept | None
) -> int:
    """How many snapshots of the sources are not in the joined file with the same rows; both are read from the place."""
    left_out = ("snapshot_id", "table_rows") if kept else ("snapshot_id",)
    columns = ", ".join(column.name for column in table.columns if column.name not in left_out)
    after = Holdings(home.location, {path_of(table, joined): 0})

    def told(rows: str) -> str:
        return (
            f"select {_ID} as id, count(*) as n, sum(hash({columns})) as total, bit_xor(hash({columns})) as mixed "
            f"from ({rows}) group by all"
        )

    def ask() -> int:
        before = bound_scan(table, home, holdings, sources)
        now = bound_scan(table, home, after, [joined])
        with open_connection(home) as connection:
            if kept:
                connection.register("kept", kept.targets)
                before = (
                    f"select b.* from ({before}) b semi join kept k on k.id = {_ID} and k.account_id = b.account_id "
                )
                before += "and k.region = b.region"
            query = f"select count(*) from (({told(before)}) except ({told(now)}))"
            ((number,),) = connection.sql(query).fetchall()
        return int(number)

    return answer(home, ask)


def _joined_rows(
    home: Warehouse, holdings: Holdings, table: Table, joined: Name, sources: Sequence[Name], kept: Kept | None
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
                    rows = _renamed(table, pa.table(batch), joined, kept)
                    pending.append(rows)
                    if sum(part.num_rows for part in pending) >= JOINED_ROW_GROUP:
                        yield _by_builder(table, pending)
                        pending = []
    if pending:
        yield _by_builder(table, pending)


def _renamed(table: Table, rows: pa.Table, joined: Name, kept: Kept | None) -> pa.Table:
    """Rows as those of the joined file."""
    if kept:
        rows = kept.of(rows)
        if table is not EXTRACTS:
            kept.count(table, rows)
    rows = columns_of(table, rows, _mapped(rows["snapshot_id"], lambda i: joined_id(i, joined)))
    return kept.with_counts(rows) if kept and table is EXTRACTS else rows


def _mapped(ids: pa.ChunkedArray, name: Callable[[str], str]) -> pa.Array:
    told = ids.combine_chunks().dictionary_encode()
    return pa.array([name(i) for i in told.dictionary.to_pylist()], pa.string()).take(told.indices)


def _by_builder(table: Table, parts: list[pa.Table]) -> pa.Table:
    key = sorted(table.key, key=lambda name: name != "arn")
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in key])
