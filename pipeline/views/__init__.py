"""Parquet → SQL: the views of sql/ and those derived from the contract, as a DuckDB database or a script of statements.

The way through it: `sql_files` → `view` (a file's header) → `catalogue` (all views) → `dependencies` (their order) →
`database` (create, build) → `asking`. What is settled is folded (`folding`), and from then on read as it was folded
(`folded`). Not here: the files of the warehouse (`warehouse`), what people look at (`report`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.faces import loaded_when_asked_for

if TYPE_CHECKING:
    from pipeline.views.asking import Answers, connect, query
    from pipeline.views.catalogue import all_views
    from pipeline.views.database import build, create
    from pipeline.views.folding import fold
    from pipeline.views.settings_views import Settings
    from pipeline.views.view import View

__getattr__ = loaded_when_asked_for(
    __name__,
    {
        "Answers": "asking",
        "Settings": "settings_views",
        "View": "view",
        "all_views": "catalogue",
        "build": "database",
        "connect": "asking",
        "create": "database",
        "fold": "folding",
        "query": "asking",
    },
)

__all__ = ["Answers", "Settings", "View", "all_views", "build", "connect", "create", "fold", "query"]
