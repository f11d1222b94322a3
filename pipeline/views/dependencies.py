"""What a view reads, found in its SQL by DuckDB's parser, and the order in which views can be created."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

import duckdb

from pipeline.errors import ViewError
from pipeline.views.view import View

RAW = "raw"
"""The schema of the raw tables."""

FOLDED = "folded"
"""The schema of what is folded; see `folded`, also for the next one."""

LIVE = "live"
"""The schema of views whose names are known with it."""


@dataclass(frozen=True)
class Reads:
    """The names of the views, of the raw tables, and of what is folded, that a query reads."""

    views: frozenset[str]
    raw_tables: frozenset[str]
    folded: frozenset[str]


@cache
def reads(query: str) -> Reads:
    """What a query reads: tables in `from` and `join`, not its own common table expressions, comments or columns.

    Raises ViewError for SQL that cannot be parsed.
    """
    try:
        tables = set(_tables(_tree(query), frozenset()))
    except ValueError as error:
        raise ViewError(f"This query cannot be parsed ({error}): {query}") from error
    return Reads(
        frozenset(
            f"{schema}.{name}" if schema == LIVE else name for schema, name in tables if schema not in (RAW, FOLDED)
        ),
        frozenset(name for schema, name in tables if schema == RAW),
        frozenset(name for schema, name in tables if schema == FOLDED),
    )


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def _tree(query: str) -> Any:
    """DuckDB's own tree of a query. Raises ValueError with what it says of one that it cannot parse."""
    (text,) = _parser().cursor().execute("select json_serialize_sql($1)", [query]).fetchone() or ("{}",)
    tree = json.loads(text)
    if tree.get("error", True):
        raise ValueError(tree.get("error_message") or "it is no query")
    return tree


def _tables(node: Any, own: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The schema and name of each table in a tree; `own` are the common table expressions that hold there."""
    if isinstance(node, list):
        for each in node:
            yield from _tables(each, own)
    if not isinstance(node, dict):
        return
    if node.get("type") == "BASE_TABLE" and (node["schema_name"] or node["table_name"] not in own):
        yield node["schema_name"], node["table_name"]
    expressions = (node.get("cte_map") or {}).get("map") or []
    for expression in expressions:
        # One sees those before it.
        yield from _tables(expression["value"], own)
        own |= {expression["key"]}
    for key, value in node.items():
        if key != "cte_map":
            yield from _tables(value, own)


def reads_of(view: View) -> Reads:
    """What a view reads. Raises ViewError, with the view's file, for SQL that cannot be parsed."""
    try:
        return reads(view.query)
    except ViewError as error:
        raise ViewError(f"sql/{view.group}/{view.name}.sql: its SQL cannot be parsed: {error.__cause__}.") from error


def in_order(views: Mapping[str, View]) -> list[View]:
    """The views, each after those that it reads. Raises ViewError for views that read one another in a circle."""
    graph = {name: sorted(reads_of(view).views & set(views)) for name, view in views.items()}
    try:
        return [views[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise ViewError(f"These views read one another in a circle: {' → '.join(reversed(error.args[1]))}.") from None


def read_by_others(views: Mapping[str, View]) -> set[str]:
    """The views that others of them read, but for those with parameters."""
    read = frozenset[str]().union(*(reads_of(view).views for view in views.values()))
    return {name for name in read & set(views) if not views[name].parameters}


def with_sources(views: Mapping[str, View], names: Iterable[str]) -> set[str]:
    """The named views and all that they read, directly or not."""
    found: set[str] = set()
    pending = set(names) & set(views)
    while pending:
        name = pending.pop()
        found.add(name)
        pending |= (reads_of(views[name]).views & set(views)) - found
    return found
