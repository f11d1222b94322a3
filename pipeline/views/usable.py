"""Which fold a question can go by: one of these commits, of these queries, before all that is not in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import duckdb

from pipeline.contract import IMAGE_BUILDERS
from pipeline.views import fold_order, fold_version, folded
from pipeline.views.catalogue import catalogue
from pipeline.views.dependencies import FOLDED, read_by_others, reads_of, with_sources
from pipeline.views.settings_views import Settings
from pipeline.views.view import View
from pipeline.warehouse import Warehouse
from pipeline.warehouse.folds import Fold, folded_scans, is_of, is_whole, newest_fold
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.unfolded import Part

SMALL = 2**19
"""Bytes of the image builders' files up to which what a view reads is computed before it: DuckDB takes longer to plan
views of views than to compute one after another, where there are few rows.
"""


@dataclass(frozen=True)
class Sources:
    """What a question is put to: views, the scans of raw tables that they need beside the usual ones, and the scans of
    what is folded, each with a query of no rows of its types. Views that are `kept` are computed beforehand.
    """

    views: dict[str, View]
    raw_tables: set[str]
    scans: dict[str, str]
    folded: dict[str, tuple[str, str]]
    kept: frozenset[str]


def is_small(holdings: Holdings) -> bool:
    """Whether the image builders' committed files have few bytes."""
    return sum(map(holdings.size, holdings.files(IMAGE_BUILDERS))) <= SMALL


def from_scratch(views: Mapping[str, View], small: bool) -> Sources:
    """The views without a fold; `small`: what others read is computed beforehand."""
    raw_tables = {t for view in views.values() for t in reads_of(view).raw_tables}
    return Sources(dict(views), raw_tables, {}, {}, frozenset(read_by_others(views) if small else ()))


def sources(
    home: Warehouse,
    holdings: Holdings,
    settings: Settings,
    names: Iterable[str] | None,
    with_fold: bool,
    with_kept: bool = True,
) -> Sources:
    """The named views, or all, with all that they read, over a fold where there is one that they can go by."""
    small = with_kept and is_small(holdings)
    plain = catalogue(settings)
    wanted = with_sources(plain, names) if names is not None else set(plain)
    plain = {name: view for name, view in plain.items() if name in wanted}
    if not with_fold or not wanted & folded.FOLDABLE:
        return from_scratch(plain, small)
    fold = newest_fold(home, holdings, fold_version.version())
    if fold is None or not is_of(fold, holdings):
        return from_scratch(plain, small)
    told = over(home, holdings, fold, settings, wanted if names is None else set(names) & set(plain))
    if not is_whole(home, fold, told.folded):
        return from_scratch(plain, small)
    return replace(told, kept=told.kept | read_by_others(told.views)) if small else told


def over(home: Warehouse, holdings: Holdings, fold: Fold, settings: Settings, names: Iterable[str]) -> Sources:
    """The named views, with all that they read, over a fold; and what `fold_order.not_in_order` reads."""
    has_times = fold.rules == fold_version.rules_of(settings)
    views = folded.over_fold(catalogue(settings), has_times)
    wanted = with_sources(views, {*names, *fold_order.MOMENTS_READ})
    views = {name: view for name, view in views.items() if name in wanted}
    raw_tables = {table for view in views.values() for table in reads_of(view).raw_tables}
    relations = {name for view in views.values() for name in reads_of(view).folded} | {"open_targets"}
    scans = Part(fold).scans(raw_tables, home, holdings)
    return Sources(views, raw_tables - set(scans), scans, folded_scans(home, fold, relations), folded.kept(views))


def is_over_fold(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the views of a connection are over a fold."""
    query = f"select 1 from duckdb_schemas() where schema_name = '{FOLDED}'"
    return bool(connection.execute(query).fetchall())
