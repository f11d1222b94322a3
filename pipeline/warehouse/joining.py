"""Joins the snapshots of many files into one file a table, and proves that it holds what they hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
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
from pipeline.warehouse.snapshot_ids import Name, joined_id, path_of, unjoined_id
from pipeline.warehouse.storage import Held, NewFile, UnknownOutcomeError
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
        keys = _keys(_mapped(rows["snapshot_id"], unjoined_id), rows["account_id"], rows["region"])
        return rows.filter(pc.is_in(keys, _keys(*(self.targets[n] for n in ("id", "account_id", "region")))))

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


@dataclass(frozen=True)
class Join:
    """Snapshots of files on their way into one file: those that count, and of them what is `kept`, if that is given."""

    home: Warehouse
    holdings: Holdings
    joined: Name
    sources: Sequence[Name]
    ids: Collection[str]
    """The ids of the snapshots that count, in the sources or elsewhere."""
    kept: Kept | None = None

    def write(self, lock: Held) -> None:
        """Writes one file a table, the commit last.

        Raises WarehouseError, and leaves nothing, where that fails, or where what was written does not hold the same.
        """
        if self.joined in self.holdings.names(EXTRACTS):
            raise WarehouseError(f"The warehouse {self.home.location} has {self.joined} already; nothing was changed.")
        written: list[NewFile] = []
        try:
            for table in DATA_TABLES:
                self._write(table, written).commit()
            for table in DATA_TABLES:  # Proven before it counts.
                self._require_same(table)
            commit = self._write(EXTRACTS, written)
            lock.require()
            commit.commit()
            self._require_same(EXTRACTS)
            self._require_there()
        except UnknownOutcomeError:
            raise
        except BaseException:
            for file in reversed(written):  # The commit first.
                file.discard()
            raise

    def _write(self, table: Table, written: list[NewFile]) -> NewFile:
        file = self.home.storage.create(path_of(table, self.joined), only_new=table is EXTRACTS)
        written.append(file)
        with pq.ParquetWriter(file.sink, table.schema, compression="zstd") as writer:
            for rows in self._rows(table):
                writer.write_table(rows)
        return file

    def _require_there(self) -> None:
        """Raises WarehouseError where another writer took the files for a dead run's before they were committed."""
        if not {path_of(table, self.joined) for table in TABLES} <= set(self.home.holdings().paths):
            raise WarehouseError(
                f"Files of {self.joined} in the warehouse {self.home.location} were removed while it was written; it "
                "was taken back."
            )

    def _require_same(self, table: Table) -> None:
        if number := self.differences(table):
            raise WarehouseError(
                f"{path_of(table, self.joined)} in the warehouse {self.home.location} was written and does not hold "
                f"what was joined: {counted(number, 'snapshot differs', 'snapshots differ')}. It was taken back, and "
                "nothing was removed."
            )

    def differences(self, table: Table) -> int:
        """How many snapshots of the sources are not in the joined file with the same rows; both are read from the
        place.
        """
        left_out = ("snapshot_id", "table_rows") if self.kept else ("snapshot_id",)
        columns = ", ".join(column.name for column in table.columns if column.name not in left_out)
        after = Holdings(self.home.location, {path_of(table, self.joined): 0})

        def told(rows: str) -> str:
            return (
                f"select {_ID} as id, count(*) as n, sum(hash({columns})) as total, "
                f"bit_xor(hash({columns})) as mixed from ({rows}) group by all"
            )

        def ask() -> int:
            before = bound_scan(table, self.home, self.holdings, self.sources)
            now = bound_scan(table, self.home, after, [self.joined])
            with open_connection(self.home) as connection:
                connection.register("ids", pa.table({"snapshot_id": pa.array(sorted(self.ids), pa.string())}))
                before = f"select b.* from ({before}) b semi join ids using (snapshot_id)"
                if self.kept:
                    connection.register("kept", self.kept.targets)
                    before = (
                        f"select b.* from ({before}) b semi join kept k "
                        f"on k.id = {_ID} and k.account_id = b.account_id and k.region = b.region"
                    )
                query = f"select count(*) from (({told(before)}) except ({told(now)}))"
                ((number,),) = connection.sql(query).fetchall()
            return int(number)

        return answer(self.home, ask)

    def _rows(self, table: Table) -> Iterator[pa.Table]:
        """The rows, about `JOINED_ROW_GROUP` at a time, sorted by image builder within each row group: that takes a
        third of the space, and is the order in which the views of history read.
        """
        ids = pa.array(sorted(self.ids), pa.string())
        pending: list[pa.Table] = []
        for name in self.sources:
            for path in self.holdings.files(table, [name]):  # None where the contract had no such table then.
                with self.home.storage.open(path) as source:
                    for batch in pq.ParquetFile(source).iter_batches(ROW_GROUP):
                        rows = pa.table(batch)
                        pending.append(self._renamed(table, rows.filter(pc.is_in(rows["snapshot_id"], ids))))
                        if sum(part.num_rows for part in pending) >= JOINED_ROW_GROUP:
                            yield _by_builder(table, pending)
                            pending = []
        if pending:
            yield _by_builder(table, pending)

    def _renamed(self, table: Table, rows: pa.Table) -> pa.Table:
        """Rows as those of the joined file."""
        if self.kept:
            rows = self.kept.of(rows)
            if table is not EXTRACTS:
                self.kept.count(table, rows)
        rows = columns_of(table, rows, _mapped(rows["snapshot_id"], lambda i: joined_id(i, self.joined)))
        return self.kept.with_counts(rows) if self.kept and table is EXTRACTS else rows


def _keys(*columns: pa.ChunkedArray | pa.Array) -> pa.Array:
    whole = (c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns)
    return pc.binary_join_element_wise(*whole, "/")


def _mapped(ids: pa.ChunkedArray, name: Callable[[str], str]) -> pa.Array:
    told = ids.combine_chunks().dictionary_encode()
    return pa.array([name(i) for i in told.dictionary.to_pylist()], pa.string()).take(told.indices)


def _by_builder(table: Table, parts: list[pa.Table]) -> pa.Table:
    key = sorted(table.key, key=lambda name: name != "arn")
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in key])
