"""DuckDB over a warehouse: the committed tables, and the views of sql/, in a file of their own.

Raw scans with explicit types and the committed tables are derived from the contract; sql/ holds what is worth
reading. The file holds views only, so it can be thrown away and built again at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.aws import service_model as model
from pipeline.contract import CHILDREN, DATA_TABLES, EXTRACTS, HIVE_KEY, PRICES, TABLES, Table
from pipeline.errors import QueryError, WarehouseError
from pipeline.extract import price_list as prices
from pipeline.extract.price_list import FilePrice
from pipeline.settings import rules
from pipeline.settings.rules import Rules
from pipeline.views.sql_files import view_files
from pipeline.warehouse.storage import SCRATCH, ObjectStorage
from pipeline.warehouse.warehouse import CHECKPOINTS, Warehouse

Answer = TypeVar("Answer")

DATABASE = "image_builders.duckdb"
"""The file of the views, in the warehouse's folder."""

STORAGE_VERSION = "v1.0.0"
"""DuckDB's oldest stable file format, so that older command lines open the file too: tried with 1.1.3."""

_ATTEMPTS = 3

RECENT = "recent_extracts"
_RECENT_PURPOSE = (
    "The rows of extracts that image_builders_current can still ask of: all of them where there is no checkpoint, else "
    "those of the checkpoint and of the days after it."
)

_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
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


@dataclass(frozen=True)
class Settings:
    """What views take from the user's files: rules and prices."""

    rules: Rules = field(default_factory=lambda: rules.read_rules({"IMAGE_BUILDERS_FINDINGS": os.devnull}))
    prices: tuple[FilePrice, ...] = ()

    @classmethod
    def read(cls) -> Settings:
        """The files in force. Raises ConfigurationError for one that cannot be."""
        return cls(rules.read_rules(), prices.read_file())


@cache
def of_sql_folder() -> tuple[View, ...]:
    """The views of sql/, by name."""
    return tuple(parse(name, path.read_text(encoding="utf-8")) for name, path in view_files().items())


def of_settings(settings: Settings) -> Iterator[View]:
    """The settings as views, so that SQL can join them: whatever engine runs it, they are plain values."""
    yield _values(
        "finding_rules",
        "The rules that findings holds image builders against, with their thresholds.",
        "one row per rule that is in force.",
        {
            "rule": ("VARCHAR", "the rule's name"),
            "title": ("VARCHAR", "what a failure means"),
            "severity": ("VARCHAR", "how bad a failure is: low, medium or high"),
            "threshold": ("DOUBLE", "where it begins to fail, if it has such"),
            "unit": ("VARCHAR", "the threshold's unit"),
            "source": ("VARCHAR", "who says that it matters"),
        },
        [(r.name, r.title, r.severity, r.threshold, r.unit, r.source) for r in settings.rules.rules],
    )
    yield _values(
        "image_builder_states",
        "In which states AWS bills an image builder. A state that is not here is taken not to be billed.",
        "one row per state.",
        {
            "state": ("VARCHAR", "the state, as image_builders.state"),
            "is_billed": ("BOOLEAN", "whether AWS bills an image builder in it"),
        },
        [
            (state, state in settings.rules.billed_states)
            for state in dict.fromkeys((*model.enums()["State"], *settings.rules.billed_states))
        ],
    )
    yield _values(
        "owner_tags",
        "The tags that name an owner.",
        "one row per tag.",
        {
            "tag_key": ("VARCHAR", "the tag's key, in lower case"),
            "rank": ("INTEGER", "which wins, where an image builder has several: the lowest"),
        },
        [(key.lower(), rank) for rank, key in enumerate(settings.rules.owner_tags)],
    )
    yield _values(
        "price_file",
        "The prices of the user's own file; see prices.",
        "one row per price.",
        {
            "region": ("VARCHAR", "the AWS region; * for any"),
            "instance_type": ("VARCHAR", "the instance type, * for any; root-volume for a GB of root volume"),
            "operating_system": ("VARCHAR", "the operating system as prices know it; * for any"),
            "unit": ("VARCHAR", "hour or gb-month"),
            "usd": ("DOUBLE", "the price in US dollars"),
        },
        [(p.region, p.instance_type, p.operating_system, p.unit, p.usd) for p in settings.prices],
    )


def _values(
    name: str, purpose: str, grain: str, columns: dict[str, tuple[str, str]], rows: Iterable[Sequence[Any]]
) -> View:
    """A view of plain values, none too."""
    listed = [f"    ({', '.join(_literal(value) for value in row)})" for row in rows]
    typed = ",\n".join(f"    cast(rows.{column} as {kind}) as {column}" for column, (kind, _) in columns.items())
    nothing = f"    ({', '.join('null' for _ in columns)})"
    query = (
        f"select\n{typed}\nfrom (\n    values\n"
        + ",\n".join(listed or [nothing])
        + f"\n) as rows ({', '.join(columns)})"
    )
    if not listed:
        query += "\nwhere false"
    return View(name, purpose, grain, {column: meaning for column, (_, meaning) in columns.items()}, query)


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else repr(value)


def of_contract() -> Iterator[View]:
    """The committed tables under their own names.

    Files come and go while they are read. So that no answer is made of two moments, a view lists the commits
    once, and first; the rows of a commit are there before it is, and for a while after it is superseded.
    (An aggregate as a window function would list them twice: DuckDB 2.0 turns it into a self-join.)
    """
    for table in (EXTRACTS, *DATA_TABLES):
        columns = _columns(table)
        if table is EXTRACTS:
            yield View(
                RECENT,
                _RECENT_PURPOSE,
                "one row per target per snapshot that still matters.",
                columns,
                _committed(RECENT),
            )
            query = _committed(EXTRACTS.name)
        else:
            query = (
                f"select r.*\nfrom (\n    select max(snapshot_id) as snapshot_id\n    from raw.{EXTRACTS.name}\n"
                f"    group by window_start, window_end\n) as committed\njoin raw.{table.name} as r "
                "on r.snapshot_id = committed.snapshot_id"
            )
        yield View(table.name, table.grain, table.grain, columns, query)


def _committed(raw: str) -> str:
    """Of the rows of commits, those of the newest of each window."""
    names = ", ".join(f"ranked.{name}" for name in _columns(EXTRACTS))
    return (
        f"select {names}\nfrom (\n    select *, dense_rank() over (\n        partition by window_start, "
        f"window_end order by snapshot_id desc\n    ) as age\n    from raw.{raw}\n) as ranked\nwhere age = 1"
    )


def of_current_children() -> Iterator[View]:
    """The child tables' `_current`: the child rows of the builders of `image_builders_current`."""
    for table in CHILDREN:
        query = (
            f"select c.*\nfrom image_builders_current as b\njoin raw.{table.name} as c\n"
            f"    on c.{HIVE_KEY} = b.{HIVE_KEY} and c.snapshot_id = b.snapshot_id and c.arn = b.arn"
        )
        grain = table.grain.replace(" per snapshot", " as last seen")
        yield View(f"{table.name}_current", f"The rows of {table.name} that hold now.", grain, _columns(table), query)


def all_views(settings: Settings | None = None) -> list[View]:
    """Every view, in the order in which they can be created; with default settings where none are given."""
    views = (
        *of_settings(settings or Settings()),
        *of_contract(),
        *of_sql_folder(),
        *of_current_children(),
    )
    by_name = {view.name: view for view in views}
    ordered: dict[str, View] = {}

    def place(view: View) -> None:
        for name in sorted(sources(view) & set(by_name)):
            if name not in ordered:
                place(by_name[name])
        ordered[view.name] = view

    for view in views:
        if view.name not in ordered:
            place(view)
    return list(ordered.values())


def sources(view: View) -> set[str]:
    """The words of a view's query that may be names of others, itself not among them."""
    return set(re.findall(r"\b(?<!raw\.)\w+", view.query)) - {view.name}


def build(warehouse: Warehouse) -> str:
    """Writes the file of views beside its place and swaps it in whole; returns its path.

    On an object store there is no file: DuckDB would need credentials of its own; `connect` makes the views in
    memory there. Raises NoSnapshotError before the first snapshot.
    """
    warehouse.require_snapshot()
    settings = Settings.read()
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
            create(connection, warehouse, settings)
            connection.execute("use memory; detach views")
        fresh.replace(target)
    except (OSError, duckdb.Error) as error:
        raise WarehouseError(f"The views {target} cannot be written: {first_words(error)}.") from error
    return str(target)


def connect(warehouse: Warehouse, names: Iterable[str] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection on which every view is there, in UTC; or those that are named, with all that they read.

    Raises NoSnapshotError before the first snapshot.
    """
    warehouse.require_snapshot()
    settings = Settings.read()
    path = Path(warehouse.location) / DATABASE
    if not isinstance(warehouse.storage, ObjectStorage) and path.exists():
        with contextlib.suppress(duckdb.Error):  # It is no database, or of a DuckDB to come: it can be done without.
            connection = duckdb.connect(str(path), read_only=True)
            connection.execute("set TimeZone = 'UTC'")
            if connection.execute("select * from raw.about").fetchall() == [_about(warehouse, settings)]:
                return connection
            connection.close()  # Of another version, or of a warehouse that was moved.
    connection = _in_memory(warehouse)
    create(connection, warehouse, settings, names)
    return connection


def query(warehouse: Warehouse, sql: str) -> pa.Table:
    """The answer to a statement, as Arrow. Raises QueryError with DuckDB's own words, NoSnapshotError."""

    def ask() -> pa.Table:
        with connect(warehouse, _named_in(sql)) as connection:
            answer = connection.sql(sql)
            return pa.table({}) if answer is None else answer.to_arrow_table()

    try:
        return insist(ask)
    except duckdb.Error as error:
        raise QueryError(f"{first_words(error)}.") from error


def insist(ask: Callable[[], Answer]) -> Answer:
    """The answer, asked for again where a file went: a superseded one that was removed between being listed and being
    opened is not in the next list. Raises duckdb.Error.
    """
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(duckdb.IOException):
            return ask()
    return ask()


def create(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    settings: Settings,
    names: Iterable[str] | None = None,
) -> None:
    """Creates every view on a connection, with comments; or those that are named and what they read, without."""
    views = all_views(settings)
    if names is not None:
        wanted = _with_sources(views, set(names))
        views = [view for view in views if view.name in wanted]
    connection.execute("create schema raw")
    if names is None:
        location, version = map(_quoted, _about(warehouse, settings))
        connection.execute(f"create view raw.about as select {location} as warehouse, {version} as views")
    read = None if names is None else set(re.findall(r"\braw\.(\w+)", " ".join(view.query for view in views)))
    for name, scan in _scans(warehouse, read).items():
        connection.execute(f"create view raw.{name} as {scan}")
    for view in views:
        if view.parameters:
            connection.execute(f"create macro {view.name}({', '.join(view.parameters)}) as table {view.query}")
            continue
        connection.execute(f"create view {view.name} as {view.query}")
        if names is None:
            connection.execute(f"comment on view {view.name} is {_quoted(f'{view.purpose} {view.grain}')}")
            for column, meaning in view.columns.items():
                connection.execute(f"comment on column {view.name}.{column} is {_quoted(meaning)}")


def _named_in(sql: str) -> set[str] | None:
    """The views that a statement may name; None where it asks what there is."""
    words = set(re.findall(r"\w+", sql.lower()))
    asks = {"show", "describe", "desc", "summarize", "pragma", "information_schema", "raw", "main"}
    if words & asks or any(word.startswith("duckdb_") for word in words):
        return None
    known = {view.name for view in all_views()} & words
    return known or None


def _with_sources(views: Sequence[View], names: set[str]) -> set[str]:
    by_name = {view.name: view for view in views}
    found: set[str] = set()
    pending = names & set(by_name)
    while pending:
        name = pending.pop()
        found.add(name)
        pending |= (sources(by_name[name]) & set(by_name)) - found
    return found


def _columns(table: Table) -> dict[str, str]:
    return {c.name: c.description for c in table.columns} | {
        HIVE_KEY: "The UTC day on which the snapshot's window began."
    }


def _in_memory(warehouse: Warehouse) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    if isinstance(warehouse.storage, ObjectStorage):
        _register(connection, warehouse.storage)
    return connection


def _scans(warehouse: Warehouse, names: set[str] | None = None) -> dict[str, str]:
    """The queries of the raw views, by name: of all of them, or of those that are named and what they read."""
    if names is not None and RECENT in names:
        names = names | {EXTRACTS.name}
    tables = [table for table in (*TABLES, PRICES) if names is None or table.name in names]
    scans = {table.name: _scan(table, warehouse) for table in tables}
    if names is not None and RECENT not in names:
        return scans
    scans[RECENT] = "select * from raw.extracts"
    if checkpoints := warehouse.storage.list(CHECKPOINTS):
        with warehouse.storage.open(checkpoints[-1]) as source:
            there = set(pq.read_schema(source).names)
        columns = ", ".join(
            f"{c.name if c.name in there else 'null'}::{_TYPES[c.type]} as {c.name}" for c in EXTRACTS.columns
        )
        pattern = _pattern(warehouse, f"{CHECKPOINTS}/*.parquet")
        # Listed once: what the newest one has, and the day up to which it has it, must be of the same.
        scans[RECENT] = (
            f"with checkpoint as (select {columns}, {HIVE_KEY}::DATE as {HIVE_KEY}, filename, max(filename) over () as "
            f"newest from read_parquet({pattern}, union_by_name = true, filename = true, hive_partitioning = false)) "
            f"select {', '.join(c.name for c in EXTRACTS.columns)}, {HIVE_KEY} from checkpoint where filename = newest "
            f"union all select * from raw.extracts where {HIVE_KEY} > (select max(regexp_extract(newest, "
            "'([0-9]{4}-[0-9]{2}-[0-9]{2})-[0-9T]+.parquet$', 1)::DATE) from checkpoint)"
        )
    return scans


def _pattern(warehouse: Warehouse, pattern: str) -> str:
    literal = re.sub(r"([*?\[])", r"[\1]", warehouse.location)
    return _quoted(f"{literal}/{pattern}")


def _scan(table: Table, warehouse: Warehouse) -> str:
    """A scan of all files of a table with the contract's types, whatever the files or the path would suggest."""
    ends = [_names(table, warehouse, newest) for newest in (False, True)]
    there = frozenset.union(*ends)
    columns = ", ".join(f"{c.name if c.name in there else 'null'}::{_TYPES[c.type]} as {c.name}" for c in table.columns)
    if not there:  # DuckDB fails on a glob that matches no file.
        return f"select {columns}, null::DATE as {HIVE_KEY} where false"
    pattern = _pattern(warehouse, f"{table.name}/*/*.parquet")
    # By name, DuckDB opens every file before it reads one, and can leave none out: only where the contract has grown.
    by_name = "" if ends[0] >= there else "union_by_name = true, "
    return (
        f"select {columns}, {HIVE_KEY} from read_parquet({pattern}, {by_name}"
        f"hive_partitioning = true, hive_types = {{'{HIVE_KEY}': DATE}})"
    )


def _names(table: Table, warehouse: Warehouse, newest: bool) -> frozenset[str]:
    """The columns of a table's oldest or newest file; none where there is no file."""
    for attempt in range(_ATTEMPTS):
        path = warehouse.storage.end(table.name, newest)
        if path is None:
            return frozenset()
        try:
            with warehouse.storage.open(path) as source:
                return frozenset(pq.read_schema(source).names)
        except pa.ArrowInvalid as error:
            raise WarehouseError(
                f"The warehouse {warehouse.location} cannot be read: {path}: {first_words(error)}."
            ) from error
        except WarehouseError:  # It was superseded, and went between being listed and being opened.
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _about(warehouse: Warehouse, settings: Settings) -> tuple[str, str]:
    """Whose views a file holds: the warehouse's place, and a digest that changes whenever a view does."""
    made = repr([all_views(settings), _scans(warehouse)])
    return warehouse.location, hashlib.sha256(made.encode()).hexdigest()[:16]


def first_words(error: Exception) -> str:
    """What an error says, without the place in the text that DuckDB draws below it."""
    return " ".join(str(error).partition("\n\n")[0].split()).rstrip(".")


def _register(connection: duckdb.DuckDBPyConnection, storage: ObjectStorage) -> None:
    from fsspec.implementations.arrow import ArrowFSWrapper

    class S3(ArrowFSWrapper):  # type: ignore[misc]
        """Arrow's S3 under the name that DuckDB asks for."""

        protocol = "s3"

    connection.register_filesystem(S3(storage.files))


def _unwrap(text: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in text.splitlines()).strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
