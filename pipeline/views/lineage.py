"""Which columns a view's columns come from, drawn from its SQL by sqlglot."""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage

from pipeline.contract import EXTRACTS, HIVE_KEY, PRICES, TABLES
from pipeline.views import database as views
from pipeline.views.database import View

Sources = tuple[tuple[str, str], ...]
"""Tables or views, and columns of theirs."""


@cache
def of_view(name: str) -> dict[str, Sources]:
    """For each column of a view what it comes from, one step up; nothing for what is made in the view itself.

    A raw table counts as the committed table of its name.
    """
    view = next(v for v in views.all_views() if v.name == name)
    nodes = lineage(None, _query(view), _schema(), dialect="duckdb", copy=False, trim_selects=False)
    assert isinstance(nodes, dict)
    return {column: _sources(nodes[column]) for column in view.columns}


def upstream(view: View) -> set[str]:
    """The tables and views that a view reads."""
    query = _query(view)
    named = {table.name for table in query.find_all(exp.Table)} - {cte.alias for cte in query.find_all(exp.CTE)}
    return named & set(_schema()) - {view.name}


def _query(view: View) -> exp.Expr:
    query = sqlglot.parse_one(view.query, dialect="duckdb")
    for table in query.find_all(exp.Table):
        table.set("db", None)
        if table.name == views.RECENT:
            table.set("this", exp.to_identifier(EXTRACTS.name))
    return query


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
    columns = {view.name: list(view.columns) for view in views.all_views()}
    columns |= {table.name: [*(c.name for c in table.columns), HIVE_KEY] for table in (*TABLES, PRICES)}
    return {name: dict.fromkeys(names, "varchar") for name, names in columns.items()}
