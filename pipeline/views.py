"""DuckDB over a warehouse: the committed tables, and the views of sql/, in a file of their own.

Raw scans with explicit types and the committed tables are derived from the contract; sql/ holds what is worth
reading. The file holds views only, so it can be thrown away and built again at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from pipeline import contract
from pipeline.contract import CHILDREN, DATA_TABLES, EXTRACTS, HIVE_KEY, TABLES, Table
from pipeline.errors import QueryError, WarehouseError
from pipeline.storage import SCRATCH, ObjectStorage
from pipeline.warehouse import Warehouse

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

DATABASE = "image_builders.duckdb"
"""The file of the views, in the warehouse's folder."""

STORAGE_VERSION = "v1.0.0"
"""DuckDB's oldest stable file format, so that older command lines open the file too: tried with 1.1.3."""

_ATTEMPTS = 3

_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    contract.MOMENT: "TIMESTAMPTZ",
}
_HEADER = re.compile(
    r"\A-- (?P<purpose>.+?)\n--\n-- Grain: (?P<grain>.+?)\n(?:-- Parameters: (?P<parameters>.+?)\n)?"
    r"-- Columns:\n(?P<columns>(?:--   [^\n]+\n)+)\n(?P<query>.+?);?\s*\Z",
    re.DOTALL,
)


@dataclass(frozen=True)
class View:
    """A view: what it is for, its grain, its columns with a line each, the query, and a macro's parameters."""

    name: str
    purpose: str
    grain: str
    columns: dict[str, str]
    query: str
    parameters: tuple[str, ...] = ()


def parse(name: str, text: str) -> View:
    """A file of sql/. Raises ValueError when its header is not as CONTRIBUTING.md says."""
    match = _HEADER.match(text)
    if not match:
        raise ValueError(f"sql/{name}.sql does not begin with purpose, grain and columns")
    columns: dict[str, str] = {}
    column = ""
    for line in match["columns"].splitlines():
        if line.startswith("--     "):
            columns[column] += " " + line.removeprefix("--").strip()
        else:
            column, _, meaning = line.removeprefix("--").strip().partition(": ")
            if column == f"{contract.IMAGE_BUILDERS.name}.*":
                columns |= _columns(contract.IMAGE_BUILDERS)
            else:
                columns[column] = meaning
    parameters = tuple(p.split()[0] for p in (match["parameters"] or "").split(", ") if p)
    return View(name, _unwrap(match["purpose"]), _unwrap(match["grain"]), columns, match["query"], parameters)


@cache
def of_sql_folder() -> tuple[View, ...]:
    """The views of sql/, in the order in which they can be created."""
    found = {p.name.removesuffix(".sql"): p for p in _sql_folder().iterdir() if p.name.endswith(".sql")}
    views = {name: parse(name, path.read_text(encoding="utf-8")) for name, path in sorted(found.items())}
    ordered: dict[str, View] = {}

    def place(view: View) -> None:
        for name in re.findall(r"\w+", view.query):
            if name in views and name != view.name and name not in ordered:
                place(views[name])
        ordered[view.name] = view

    for view in views.values():
        if view.name not in ordered:
            place(view)
    return tuple(ordered.values())


def of_contract() -> Iterator[View]:
    """The committed tables under their own names.

    Files come and go while they are read. So that no answer is made of two moments, a view lists the commits
    once, and first; the rows of a commit are there before it is, and for a while after it is superseded.
    (An aggregate as a window function would list them twice: DuckDB 2.0 turns it into a self-join.)
    """
    for table in (EXTRACTS, *DATA_TABLES):
        columns = _columns(table)
        if table is EXTRACTS:
            names = ", ".join(f"ranked.{name}" for name in columns)
            query = (
                f"select {names}\nfrom (\n    select *, dense_rank() over (\n        partition by window_start, "
                "window_end order by snapshot_id desc\n    ) as age\n    from raw.extracts\n) as ranked\nwhere age = 1"
            )
        else:
            query = (
                f"select r.*\nfrom (\n    select max(snapshot_id) as snapshot_id\n    from raw.{EXTRACTS.name}\n"
                f"    group by window_start, window_end\n) as committed\njoin raw.{table.name} as r "
                "on r.snapshot_id = committed.snapshot_id"
            )
        yield View(table.name, table.grain, table.grain, columns, query)


def of_current_children() -> Iterator[View]:
    """The child tables' `_current`: the child rows of the builders of `image_builders_current`."""
    for table in CHILDREN:
        query = (
            f"select c.*\nfrom image_builders_current as b\njoin raw.{table.name} as c\n"
            f"    on c.{HIVE_KEY} = b.{HIVE_KEY} and c.snapshot_id = b.snapshot_id and c.arn = b.arn"
        )
        grain = table.grain.replace(" per snapshot", " as last seen")
        yield View(f"{table.name}_current", f"The rows of {table.name} that hold now.", grain, _columns(table), query)


def all_views() -> list[View]:
    """Every view, in the order in which they can be created."""
    return [*of_contract(), *of_sql_folder(), *of_current_children()]


def build(warehouse: Warehouse) -> str:
    """Writes the file of views beside its place and swaps it in whole; returns its path.

    On an object store there is no file: DuckDB would need credentials of its own; `connect` makes the views in
    memory there. Raises NoSnapshotError before the first snapshot.
    """
    warehouse.require_snapshot()
    if isinstance(warehouse.storage, ObjectStorage):
        return ""
    folder = Path(warehouse.location)
    target = folder / DATABASE
    fresh = folder / SCRATCH / f"{os.getpid()}-{DATABASE}"
    try:
        fresh.parent.mkdir(exist_ok=True)
        fresh.unlink(missing_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"attach {_quoted(str(fresh))} as views (storage_version {_quoted(STORAGE_VERSION)})")
            connection.execute("use views")
            create(connection, warehouse)
            connection.execute("use memory; detach views")
        fresh.replace(target)
    except (OSError, duckdb.Error) as error:
        raise WarehouseError(f"The views {target} cannot be written: {_first(error)}.") from error
    return str(target)


def connect(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    """A connection on which every view is there, in UTC. Raises NoSnapshotError before the first snapshot."""
    warehouse.require_snapshot()
    path = Path(warehouse.location) / DATABASE
    if not isinstance(warehouse.storage, ObjectStorage) and path.exists():
        with contextlib.suppress(duckdb.Error):  # It is no database, or of a DuckDB to come: it can be done without.
            connection = duckdb.connect(str(path), read_only=True)
            connection.execute("set TimeZone = 'UTC'")
            if connection.execute("select * from raw.about").fetchall() == [_about(warehouse)]:
                return connection
            connection.close()  # Of another version, or of a warehouse that was moved.
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    if isinstance(warehouse.storage, ObjectStorage):
        _register(connection, warehouse.storage)
    create(connection, warehouse)
    return connection


def query(warehouse: Warehouse, sql: str) -> pa.Table:
    """The answer to a statement, as Arrow. Raises QueryError with DuckDB's own words, NoSnapshotError."""
    for attempt in range(_ATTEMPTS):
        try:
            with connect(warehouse) as connection:
                answer = connection.sql(sql)
                return pa.table({}) if answer is None else answer.to_arrow_table()
        except duckdb.Error as error:
            # A superseded file that was removed between being listed and being opened is not in the next list.
            if not isinstance(error, duckdb.IOException) or attempt == _ATTEMPTS - 1:
                raise QueryError(f"{_first(error)}.") from error
    raise AssertionError("unreachable")


def create(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    """Creates every view on a connection, with comments."""
    connection.execute("create schema raw")
    location, version = map(_quoted, _about(warehouse))
    connection.execute(f"create view raw.about as select {location} as warehouse, {version} as views")
    for table in TABLES:
        connection.execute(f"create view raw.{table.name} as {_scan(table, warehouse.location)}")
    for view in all_views():
        if view.parameters:
            connection.execute(f"create macro {view.name}({', '.join(view.parameters)}) as table {view.query}")
            continue
        connection.execute(f"create view {view.name} as {view.query}")
        connection.execute(f"comment on view {view.name} is {_quoted(f'{view.purpose} {view.grain}')}")
        for column, meaning in view.columns.items():
            connection.execute(f"comment on column {view.name}.{column} is {_quoted(meaning)}")


def _columns(table: Table) -> dict[str, str]:
    return {c.name: c.description for c in table.columns} | {
        HIVE_KEY: "The UTC day on which the snapshot's window began."
    }


def _scan(table: Table, location: str) -> str:
    """A scan of all files of a table with the contract's types, whatever the files or the path would suggest."""
    columns = ", ".join(f"{c.name}::{_TYPES[c.type]} as {c.name}" for c in table.columns)
    literal = re.sub(r"([*?\[])", r"[\1]", location)
    pattern = _quoted(f"{literal}/{table.name}/*/*.parquet")
    return (
        f"select {columns}, {HIVE_KEY} from read_parquet({pattern}, union_by_name = true, "
        f"hive_partitioning = true, hive_types = {{'{HIVE_KEY}': DATE}})"
    )


def _about(warehouse: Warehouse) -> tuple[str, str]:
    """Whose views a file holds: the warehouse's place, and a digest that changes whenever a view does."""
    return warehouse.location, hashlib.sha256(repr([all_views(), TABLES]).encode()).hexdigest()[:16]


def _first(error: Exception) -> str:
    """What an error says, without the place in the text that DuckDB draws below it."""
    return " ".join(str(error).partition("\n\n")[0].split()).rstrip(".")


def _register(connection: duckdb.DuckDBPyConnection, storage: ObjectStorage) -> None:
    from fsspec.implementations.arrow import ArrowFSWrapper

    class S3(ArrowFSWrapper):  # type: ignore[misc]
        """Arrow's S3 under the name that DuckDB asks for."""

        protocol = "s3"

    connection.register_filesystem(S3(storage.files))


def _sql_folder() -> Traversable:
    packaged = resources.files("pipeline") / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "sql"


def _unwrap(text: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in text.splitlines()).strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
