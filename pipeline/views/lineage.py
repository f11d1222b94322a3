"""Which columns a view's columns come from, found in its SQL by sqlglot.

Helpers that no person sees are looked through, and a raw table counts as the committed table of its name.
"""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.scope import traverse_scope

from pipeline.views.catalogue import catalogue
from pipeline.views.upstream import columns_of_all, committed
from pipeline.views.view import View
from pipeline.warehouse.scan import RECENT

Sources = tuple[tuple[str, str], ...]
"""Names of tables or views, each with one of its columns."""


@cache
def of_view(name: str) -> dict[str, Sources]:
    """For each column of a view the columns that it comes from, one view up; none for one that is made in the view."""
    view = catalogue()[name]
    nodes = lineage(None, _query(view), _schema(), sources=_helpers(), dialect="duckdb", copy=False, trim_selects=False)
    assert isinstance(nodes, dict)
    return {column: _sources(nodes[column]) for column in view.columns}


def _query(view: View) -> exp.Expr:
    query = sqlglot.parse_one(view.query, dialect="duckdb")
    for table in _tables_of(query):
        table.set("db", None)
        table.set("this", exp.to_identifier(committed(table.name)))
    return query


@cache
def _helpers() -> dict[str, exp.Expr]:
    """The queries of the helpers that read views; those of recent_extracts count as the table itself."""
    helpers = (view for view in catalogue().values() if view.is_helper and view.name not in RECENT.values())
    return {view.name: _query(view) for view in helpers}


def _sources(root: Node) -> Sources:
    known = _schema()
    found = {
        (node.source.name, node.name.rpartition(".")[2].strip('"'))
        for node in root.walk()
        if isinstance(node.source, exp.Table) and not node.downstream
    }
    return tuple(sorted((table, column) for table, column in found if column in known.get(table, {})))


@cache
def _schema() -> dict[str, dict[str, str]]:
    # Only the names matter; the types are DuckDB's to know.
    return {name: dict.fromkeys(names, "varchar") for name, names in columns_of_all().items()}


def _tables_of(query: exp.Expr) -> list[exp.Table]:
    """The tables and views that a parsed query reads, wherever in it; its common table expressions are none."""
    scopes = traverse_scope(query)
    return [source for scope in scopes for source in scope.sources.values() if isinstance(source, exp.Table)]
