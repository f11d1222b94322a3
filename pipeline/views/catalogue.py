"""The catalogue of all views: those of sql/'s folders, those of the settings, those derived from the contract."""

from __future__ import annotations

from functools import cache, lru_cache

from pipeline.views import generated
from pipeline.views.dependencies import in_order
from pipeline.views.settings_views import Settings, settings_views
from pipeline.views.sql_files import GROUPS, require, sql_files
from pipeline.views.view import View, parse


@cache
def views_of_files() -> tuple[View, ...]:
    """The views of sql/, by folder and name. Raises ViewError for a file whose header is not valid."""
    found: dict[str, View] = {}
    for group in GROUPS:
        for name, path in sql_files(group).items():
            require(name not in found, f"sql/{group}/{name}.sql", "another folder has a view of this name")
            found[name] = parse(name, group, path.read_text(encoding="utf-8"))
    return tuple(found.values())


def catalogue(settings: Settings | None = None) -> dict[str, View]:
    """Every view by name, with default settings where none are given. Raises ViewError."""
    return dict(_catalogue(settings))


@lru_cache(maxsize=4)
def _catalogue(settings: Settings | None) -> dict[str, View]:
    files = {view.name: view for view in views_of_files()}
    views = (
        *settings_views(settings or Settings()),
        *generated.committed_tables(),
        *generated.helpers(files),
        *files.values(),
        *generated.current_children(),
    )
    return {view.name: view for view in views}


def all_views(settings: Settings | None = None) -> list[View]:
    """Every view, in an order in which they can be created. Raises ViewError."""
    return in_order(catalogue(settings))
