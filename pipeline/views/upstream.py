"""Which tables and views a view is made of, as people see them.

Helpers that no person sees are looked through, and a raw table counts as the committed table of its name.
"""

from __future__ import annotations

from functools import cache

from pipeline.contract import HIVE_KEY, PRICES, TABLES
from pipeline.views.catalogue import all_views, catalogue
from pipeline.views.dependencies import reads
from pipeline.views.view import View
from pipeline.warehouse.scan import RECENT


def upstream(view: View) -> set[str]:
    """The tables and views that a view reads, those that its helpers read included."""
    found: set[str] = set()
    known = catalogue()
    read = reads(view.query)
    for name in read.views | {committed(raw) for raw in read.raw_tables}:
        found |= upstream(known[name]) if name in known and known[name].is_helper else {name}
    return (found & set(columns_of_all())) - {view.name}


def committed(raw: str) -> str:
    """The table of which a raw table, or the newest part of one, has the rows."""
    return next((table for table, recent in RECENT.items() if recent == raw), raw)


@cache
def columns_of_all() -> dict[str, list[str]]:
    """The columns of each table and of each view that is no helper."""
    columns = {view.name: list(view.columns) for view in all_views() if not view.is_helper}
    return columns | {table.name: [*(c.name for c in table.columns), HIVE_KEY] for table in (*TABLES, PRICES)}
