"""Asks the views: a connection to them as they are at one moment, and the answer to a user's statement."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TypeVar

import duckdb
import pyarrow as pa

from pipeline.contract import TABLES, Table
from pipeline.errors import QueryError
from pipeline.views import fold_order
from pipeline.views.catalogue import catalogue
from pipeline.views.database import create_over
from pipeline.views.dependencies import RAW
from pipeline.views.permitted import lock, require_question
from pipeline.views.settings_views import Settings
from pipeline.views.time_limit import TimeLimit
from pipeline.views.usable import Sources, is_over_fold, sources
from pipeline.warehouse import Warehouse
from pipeline.warehouse.holdings import FOLD, Holdings
from pipeline.warehouse.raw_tables import bound_scans
from pipeline.warehouse.scan import (
    RECENT,
    UNFOLDED,
    answer,
    first_words,
    forget_failure,
    open_connection,
    quoted,
)
from pipeline.warehouse.storage import FileGoneError

Answer = TypeVar("Answer")


def connect(
    warehouse: Warehouse,
    settings: Settings | None = None,
    names: Iterable[str] | None = None,
    require_files: bool = True,
    since: date | None = None,
    with_fold: bool = True,
    with_kept: bool = True,
    with_comments: bool = True,
    opened: Callable[[duckdb.DuckDBPyConnection], object] = lambda _: None,
) -> duckdb.DuckDBPyConnection:
    """A connection, in UTC, on which every view exists; or the named ones, with all that they read.

    Settled history is read from the fold where there is one, unless `with_fold` is false: the answers are the same, but
    what was seen since is computed here. So is, in a small warehouse, what other views read, unless `with_kept` is
    false; then it is a table. `opened` is called with the connection before that. Where no names are given, views and
    columns have comments, unless `with_comments` is false.

    The warehouse is listed once: the answers are of this moment. With `since`, of the snapshots from a day on only: who
    asks of the newest one need not have all files opened. Raises NoSnapshotError before the first snapshot, and
    WarehouseError, unless `require_files` is false, where a file of a committed snapshot is gone.
    """

    def listed() -> tuple[Holdings, Sources, list[Table]]:
        holdings = warehouse.holdings()
        if not holdings.commits:
            raise warehouse.no_snapshot()
        told = sources(warehouse, holdings, settings or Settings(), names, with_fold and since is None, with_kept)
        raw_tables = told.raw_tables | set(told.scans)
        return holdings, told, [t for t in TABLES if {t.name, RECENT[t.name], UNFOLDED[t.name]} & raw_tables]

    def bound() -> Sources:
        holdings, told, tables = listed()
        if require_files and holdings.missing(tables):
            # A later run of a window removes the earlier commit, then its files: where some seem to be gone, we list
            # again.
            holdings, told, tables = listed()
            holdings.require_files(tables)
        scans = bound_scans(warehouse, holdings.since(since) if since else holdings, told.raw_tables)
        return replace(told, scans=told.scans | scans)

    told = answer(warehouse, bound)
    connection = open_connection(warehouse)
    opened(connection)
    try:
        create_over(connection, told.views, told.scans, with_comments and names is None, told.folded, told.kept)
        if not (told.folded and connection.sql(fold_order.not_in_order()).fetchall()):
            return connection
    except duckdb.Error as error:
        if not told.kept or isinstance(error, duckdb.InterruptException):
            raise
        # A file of the fold is gone or damaged, and nothing is lost; or a view fails that need not be asked.
        forget_failure(warehouse)
    connection.close()
    are_kept = with_kept and bool(told.folded)
    return connect(warehouse, settings, names, require_files, since, False, are_kept, with_comments, opened)


def _may_be_of_fold(error: duckdb.Error) -> bool:
    """Whether a file of the fold may be the reason why a question that was put over one was not answered."""
    return type(error) is duckdb.Error or isinstance(error, duckdb.IOException) or f"/{FOLD}/" in str(error)


class Answers:
    """The views of a warehouse as they are at one moment, for who asks many questions one after another.

    Where files were replaced in the meantime, the question is asked again, and all after it, of a later moment.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        settings: Settings | None = None,
        names: Iterable[str] | None = None,
        require_files: bool = True,
        since: date | None = None,
    ) -> None:
        """Raises what `connect` does."""
        self._warehouse = warehouse
        self._connect: Callable[..., duckdb.DuckDBPyConnection] = partial(
            connect, warehouse, settings, names, require_files, since, with_comments=False
        )
        self._with_fold = True
        self._paths = frozenset(warehouse.holdings().paths)
        self._connection: duckdb.DuckDBPyConnection | None = self._connect()

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def of_now(self) -> Answers:
        """Itself; of now where files have come or gone since. Raises what `connect` does."""
        paths = frozenset(self._warehouse.holdings().paths)
        if paths != self._paths:
            self.close()
            self._paths, self._with_fold = paths, True
        return self

    def ask(self, question: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """What a question tells that is put to the connection; it may be put more than once.

        Raises WarehouseError where the warehouse cannot be read, and DuckDB's own errors.
        """

        def once() -> Answer:
            if self._connection is None:
                self._connection = self._connect(with_fold=self._with_fold)
            try:
                return question(self._connection)
            except duckdb.Error as error:
                if is_over_fold(self._connection) and _may_be_of_fold(error):
                    self._with_fold = False
                    forget_failure(self._warehouse)
                    self.close()
                    return once()
                self.close()
                raise
            except FileGoneError:
                self.close()
                raise

        return answer(self._warehouse, once)

    def close(self) -> None:
        """Ends its connection; a later question is put to a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def query(
    warehouse: Warehouse,
    sql: str,
    settings: Settings | None = None,
    parameters: Mapping[str, object] | None = None,
    timeout: float | None = None,
    is_unsafe: bool = False,
) -> pa.Table:
    """The answer to a question, as Arrow; `parameters` are the values of `$name` in it.

    A question is one statement that reads, and no file is read but the warehouse's (`permitted`); with `is_unsafe`, it
    is whatever DuckDB takes. Raises QueryError with DuckDB's own words, QueryTimeoutError after `timeout` seconds,
    NoSnapshotError, and WarehouseError where a file of a snapshot is gone.
    """
    for text in (sql, *(value for value in (parameters or {}).values() if isinstance(value, str))):
        if not _is_unicode(text):
            raise QueryError("The question is no text in UTF-8.")
    named = _named_in(sql)
    limit = TimeLimit(timeout)

    def ask(with_fold: bool = named is not None) -> pa.Table:
        with _spill() as spill:

            def opened(connection: duckdb.DuckDBPyConnection) -> None:
                connection.execute(f"set temp_directory = {quoted(spill)}")
                limit.holds(connection)

            with connect(warehouse, settings, named, with_fold=with_fold, opened=opened) as connection:
                is_over = is_over_fold(connection)
                if not is_unsafe:
                    require_question(connection, sql, {name for name, view in catalogue().items() if view.parameters})
                    lock(connection, warehouse, spill)
                try:
                    told = connection.sql(sql, params=dict(parameters)) if parameters else connection.sql(sql)
                    return pa.table({}) if told is None else told.to_arrow_table()
                except duckdb.Error as error:
                    if is_unsafe or not (is_over and _may_be_of_fold(error)):
                        raise
        forget_failure(warehouse)
        return ask(False)

    try:
        with limit:
            return answer(warehouse, ask)
    except duckdb.InterruptException:
        raise  # The program was told to stop.
    except (duckdb.Error, pa.ArrowException) as error:
        raise QueryError(f"{first_words(error)}.") from error


def _spill() -> tempfile.TemporaryDirectory[str]:
    """A folder of this question's own, for what does not fit into memory."""
    return tempfile.TemporaryDirectory(prefix="image-builders-", ignore_cleanup_errors=True)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # A byte of the command line that is no UTF-8, for instance.
        return False
    return True


def _named_in(sql: str) -> set[str] | None:
    """The views that a user's statement may name, by its words; None where it asks which views there are."""
    words = set(re.findall(r"\w+", sql.lower()))
    asks = {"show", "describe", "desc", "summarize", "pragma", "information_schema", RAW, "main"}
    if words & asks or any(word.startswith("duckdb_") for word in words):
        return None
    named = set(catalogue()) & words
    # What reads a table that is none of them is told which there are.
    return named if named or not words & {"from", "join", "table"} else None
