"""What a view reads, found in its SQL by sqlglot, and the order in which views can be created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from pipeline.errors import ViewError
from pipeline.views.view import View

RAW = "raw"
"""The schema of the raw tables."""


@dataclass(frozen=True)
class Reads:
    """The names of the views, and of the raw tables, that a query reads."""

    views: frozenset[str]
    raw_tables: frozenset[str]


@cache
def reads(query: str) -> Reads:
    """What a query reads: tables in `from` and `join`, not its own common table expressions, comments or columns.

    Raises ViewError for SQL that cannot be parsed.
    """
    try:
        tables = tables_of(sqlglot.parse_one(query, dialect="duckdb"))
    except sqlglot.errors.SqlglotError as error:
        raise ViewError(f"This query cannot be parsed ({str(error).splitlines()[0]}): {query}") from error
    return Reads(
        frozenset(table.name for table in tables if table.db != RAW),
        frozenset(table.name for table in tables if table.db == RAW),
    )


def reads_of(view: View) -> Reads:
    """What a view reads. Raises ViewError, with the view's file, for SQL that cannot be parsed."""
    try:
        return reads(view.query)
    except ViewError as error:
        raise ViewError(f"sql/{view.group}/{view.name}.sql: its SQL cannot be parsed: {error.__cause__}.") from error


def tables_of(query: exp.Expr) -> list[exp.Table]:
    """The tables and views that a parsed query reads, wherever in it; its common table expressions are none."""
    scopes = traverse_scope(query)
    return [source for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table)]


def in_order(views: Mapping[str, View]) -> list[View]:
    """The views, each after those that it reads. Raises ViewError for views that read one another in a circle."""
    graph = {name: sorted(reads_of(view).views & set(views)) for name, view in views.items()}
    try:
        return [views[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise ViewError(f"These views read one another in a circle: {' → '.join(reversed(error.args[1]))}.") from None


def with_sources(views: Mapping[str, View], names: Iterable[str]) -> set[str]:
    """The named views and all that they read, directly or not."""
    found: set[str] = set()
    pending = set(names) & set(views)
    while pending:
        name = pending.pop()
        found.add(name)
        pending |= (reads_of(views[name]).views & set(views)) - found
    return found
