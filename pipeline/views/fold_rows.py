"""The rows of a fold: computed by the live views over the fold before and the snapshots that are folded now."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.views import fold_order, folded
from pipeline.views.catalogue import catalogue
from pipeline.views.database import create_over
from pipeline.views.dependencies import LIVE, reads, reads_of, with_sources
from pipeline.views.folded import CLOSED, OPEN, closing_query, open_name, opening_query
from pipeline.views.settings_views import Settings
from pipeline.warehouse import Warehouse
from pipeline.warehouse.folds import (
    ID,
    Fold,
    FoldFile,
    Relation,
    folded_scans,
    new_path,
    no_rows,
    scan_of,
)
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.scan import empty_scan, open_connection
from pipeline.warehouse.storage import committed
from pipeline.warehouse.unfolded import Part

_MADE = "made"
"""The schema of what a step makes."""

_ROW_GROUP = 32_768
_FEW = 32_768
"""Rows of a file at most that is written as small as can be, however long that takes."""

_FILTERED = ("account_id", "region", "arn", "name")
_NAMES = ("arn", "name", "display_name")
_TIMES_LARGER = 4
"""A file of finished rows is joined with what comes to it until it has so many times as many rows."""


def connection_to(
    home: Warehouse,
    holdings: Holdings,
    settings: Settings,
    part: Part,
    names: Iterable[str],
    is_kept: bool = True,
) -> duckdb.DuckDBPyConnection:
    """A connection to the named live views, over a fold, or none, and snapshots that are not in it; to tables of them,
    where they are to be kept.
    """
    views = folded.over_fold(catalogue(settings))
    wanted = with_sources(views, names)
    views = {name: view for name, view in views.items() if name in wanted}
    raw_tables = {table for view in views.values() for table in reads_of(view).raw_tables}
    scans = part.scans(raw_tables, home, holdings)
    if part.fold:
        told = folded_scans(home, part.fold, part.fold.relations, as_now=False)
    else:
        told = {name: (nothing, nothing) for name, nothing in _nothing().items()}
    connection = open_connection(home)
    create_over(connection, views, scans, folded=told, kept=folded.kept(views) if is_kept else ())
    return connection


def with_rows(home: Warehouse, holdings: Holdings, settings: Settings, before: Fold | None, made: Fold) -> Fold:
    """A fold with its rows: the finished ones of the fold before and those that come to them; the open ones anew."""
    part = Part(before, made.through, made.late)
    views = catalogue(settings)
    queries = {open_name(name): opening_query(name) for name in OPEN}
    queries |= {name: closing_query(name, views) for name in CLOSED}
    names = {name for query in queries.values() for name in reads(query).views if name.startswith(LIVE)}
    orders = {open_name(name): order for name, order in OPEN.items()} | CLOSED
    relations: dict[str, Relation] = {}
    with connection_to(home, holdings, settings, part, names | set(fold_order.MOMENTS_READ)) as connection:
        connection.execute(f"create schema {_MADE}")
        connection.execute(f"create view {_MADE}.moments as {fold_order.moments()}")
        for name, query in queries.items():
            connection.execute(f"create table {_MADE}.{name} as {query}")
            earlier = before.relations[name].files if before and name in CLOSED else ()
            relations[name] = _written(home, connection, name, orders[name], made, earlier)
    return replace(made, relations=relations)


def _written(
    home: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    name: str,
    order: tuple[str, ...],
    made: Fold,
    earlier: tuple[FoldFile, ...],
) -> Relation:
    """Writes the rows of a kind into a file, with those of the newest files before it that are not much larger. Each
    year has its own files, so that what is asked of some time need not read all.
    """
    described = connection.sql(f"describe {_MADE}.{name}").fetchall()
    columns = {row[0]: row[1] for row in described}
    told = ", ".join(f"{ID} as snapshot_id" if c == "snapshot_id" else c for c in columns)
    rows = f"select {told} from {_MADE}.{name}"
    ((count,),) = connection.sql(f"select count(*) from {_MADE}.{name}").fetchall()
    if not count:
        return Relation(columns, earlier)
    kept = list(earlier)
    while kept and kept[-1].year == made.through.year and kept[-1].rows < _TIMES_LARGER * count:
        smaller = kept.pop()
        count += smaller.rows
        rows += f"\nunion all by name {scan_of(home, columns, [smaller])}"
    path = new_path(name)
    with committed(home.storage.create(path)) as file:
        rows_in_order = connection.sql(f"{rows}\norder by {', '.join(order)}").to_arrow_reader(_ROW_GROUP)
        sink = _Summed(file)
        with pq.ParquetWriter(
            pa.PythonFile(sink, "w"), rows_in_order.schema, **_options(columns, name, count)
        ) as writer:
            for batch in rows_in_order:
                writer.write_batch(batch)
    return Relation(columns, (*kept, FoldFile(path, count, sink.size, sink.crc, made.through.year)))


def _options(columns: Mapping[str, str], name: str, rows: int) -> dict[str, Any]:
    """How a file is written: small, for it is read more often than written, and there are many of few rows."""
    options = {"compression": "zstd", "compression_level": 9, "store_schema": False, "write_statistics": False}
    if name in CLOSED:
        # Of what questions are filtered by. The statistics of all columns are as large as the rows of a day.
        told = [c for c, kind in columns.items() if c in _FILTERED or kind.startswith(("DATE", "TIMESTAMP"))]
        options |= {"write_statistics": told}
    if rows > _FEW:
        return options
    # A builder is here once or a few times: of names that are sorted, what differs from the one before.
    names = [c for c in columns if c in _NAMES]
    return options | {
        "compression_level": 19,
        "use_dictionary": [c for c in columns if c not in names],
        "column_encoding": dict.fromkeys(names, "DELTA_BYTE_ARRAY"),
    }


class _Summed:
    """A sink that counts the bytes that go through it, and sums them up."""

    closed = False

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self.size, self.crc = 0, 0

    def write(self, data: Any) -> int:
        self._sink.write(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@cache
def _nothing() -> dict[str, str]:
    """A query of no rows of each kind, of the types that the views have."""
    views = catalogue()
    kinds = {name: f"select * from {name}" for name in CLOSED if name in views}
    kinds |= {open_name(name): f"select * from {name}" for name in OPEN if name in views}
    kinds |= {name: query.strip() for name, query in _SHAPES.items()}
    needed = with_sources(views, {name for query in kinds.values() for name in reads(query).views})
    views = {name: views[name] for name in needed}
    found = {}
    with duckdb.connect() as connection:
        raw_tables = {table for view in views.values() for table in reads_of(view).raw_tables} | {"image_builder_tags"}
        create_over(connection, views, {name: empty_scan(name) for name in raw_tables})
        for name, query in kinds.items():
            columns = {row[0]: row[1] for row in connection.sql(f"describe {query}").fetchall()}
            found[name] = no_rows(columns)
    return found


_SHAPES = {
    "image_builder_tags": "select arn, snapshot_id, tag_key, tag_value from raw.image_builder_tags",
    "image_builder_tags_told": "select arn, snapshot_id, observed_at from image_builder_tags_told",
    open_name("image_builder_sightings"): "select *, false as is_of_tags from image_builder_sightings",
    open_name("image_builder_intervals"): "select * exclude (account_id, region, name) from image_builder_intervals",
    open_name("platforms_seen"): "select platform from platforms",
    open_name("targets"): """
        select account_id, region, watched_since, seen_until, watched_until, watched_looks as looks,
            watched_looks as tags_looks, watched_looks as completes, watched_until as last_complete_at,
            watched_until as last_at
        from watched_targets""",
}
"""The columns of those that are not a view's."""
