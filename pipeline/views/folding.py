"""Makes the fold: what of the history is settled becomes finished rows, step by step.

A step takes the days that are settled and not folded, as many as have `MOST_SIGHTINGS` sightings, and adds their
finished rows to those that there are (`fold_rows`). The fold that it leaves is a new one, which its manifest names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa

from pipeline.contract import DATA_TABLES
from pipeline.errors import WarehouseError
from pipeline.views import fold_order, fold_version
from pipeline.views.dependencies import LIVE
from pipeline.views.fold_rows import connection_to, with_rows
from pipeline.views.settings_views import Settings
from pipeline.warehouse import Warehouse
from pipeline.warehouse.contents import Contents
from pipeline.warehouse.folds import (
    ID,
    Fold,
    covered_by,
    ids_digest,
    is_whole,
    last_day,
    newest_fold,
    suffixes_of,
    write_manifest,
)
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.scan import answer, first_words, quoted
from pipeline.warehouse.storage import Held, as_warehouse_error
from pipeline.warehouse.unfolded import Part
from pipeline.warehouse.upkeep import SETTLED

MOST_SIGHTINGS = 1_000_000
"""Sightings that a step takes at most, but for the first of its days."""

_DAY = timedelta(days=1)
_LATER = 2 * _DAY
"""Looks of windows that begin so much later tell of no moment of a day."""

_NOT_IN_ORDER = """
select distinct folded.id
from moments as folded
join (
    select account_id, region, min(first_at) as first_at
    from moments
    where is_late
    group by all
) as late using (account_id, region)
where not folded.is_late and folded.last_at >= late.first_at
"""


def fold(
    home: Warehouse, settings: Settings | None = None, now: datetime | None = None, most: int = MOST_SIGHTINGS
) -> date | None:
    """Folds what is settled, as much as a step takes; returns the last day that is folded, None where none is.

    Raises WarehouseError; the next call does what this one could not, and answers are the same without.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    with home.storage.lock() as lock, as_warehouse_error("written", home.location):
        try:
            return answer(home, lambda: _Step(home, settings or Settings(), at, most, lock).take())
        except duckdb.InterruptException:
            raise
        except (duckdb.Error, pa.ArrowException) as error:
            raise WarehouseError(f"The warehouse {home.location} cannot be folded: {first_words(error)}.") from error


class _NotInOrderError(Exception):
    """A look that is not folded tells of a moment before one that is."""


@dataclass
class _Step:
    home: Warehouse
    settings: Settings
    at: datetime
    most: int
    lock: Held

    def take(self) -> date | None:
        holdings = self.home.holdings()
        last = last_day(holdings, self._settled)
        if last is None:
            return None
        before = newest_fold(self.home, holdings, fold_version.version())
        if before is not None and before.through >= last and self._is_unchanged(before, holdings):
            return before.through
        holdings.require_files(DATA_TABLES)
        contents = Contents.of(self.home.storage, holdings)
        if before is not None and not (
            self._is_as_written(before) and before.ids == ids_digest(contents, before.through)
        ):
            before = None
        try:
            return self._made(holdings, contents, before)
        except _NotInOrderError:
            return self._made(holdings, contents, None)

    def _is_unchanged(self, before: Fold, holdings: Holdings) -> bool:
        """Whether no snapshot of a settled day has come since, nor become part of another file."""
        return before.covers == covered_by(holdings, self._settled) and self._is_as_written(before)

    def _is_as_written(self, before: Fold) -> bool:
        """Whether what is folded is by the same rules, and whole."""
        rules = fold_version.rules_of(self.settings)
        return before.rules == rules and is_whole(self.home, before, before.relations)

    def _made(self, holdings: Holdings, contents: Contents, before: Fold | None) -> date | None:
        part = Part(before, self._settled + _LATER)
        with connection_to(
            self.home, holdings, self.settings, part, fold_order.MOMENTS_READ, is_kept=False
        ) as connection:
            through = self._through(connection, before)
            late = _late(connection, through) if through else frozenset()
        suffixes = suffixes_of(contents, through) if through else None
        if through is None or suffixes is None:
            return before.through if before else None
        made = Fold(
            fold_version.version(),
            fold_version.rules_of(self.settings),
            through,
            late,
            covered_by(holdings, through),
            ids_digest(contents, through),
            suffixes,
            before.relations if before else {},
        )
        if before is None or (before.through, before.late) != (made.through, made.late):
            made = with_rows(self.home, holdings, self.settings, before, made)
        if made != before:
            self.lock.require()
            write_manifest(self.home, holdings, made)
        return made.through

    @property
    def _settled(self) -> date:
        return (self.at - SETTLED).date()

    def _through(self, connection: duckdb.DuckDBPyConnection, before: Fold | None) -> date | None:
        """The last day of the step; None where nothing is settled."""
        days = connection.sql(
            f"select snapshot_date, sum(builders) from {LIVE}.extracts\n"
            f"where snapshot_date <= {quoted(str(self._settled))}\ngroup by all order by all"
        ).fetchall()
        through, sightings = before.through if before else None, 0
        for number, (day, builders) in enumerate(days):
            sightings += builders or 0
            if number and sightings > self.most:
                break
            through = max(day, through) if through else day
        return through


def _late(connection: duckdb.DuckDBPyConnection, through: date) -> frozenset[str]:
    """The snapshots through a day that are not folded: a look in them tells of a later moment than one that is not
    folded, and history goes by moments. Raises _NotInOrderError.
    """
    if connection.sql(fold_order.not_in_order()).fetchall():
        raise _NotInOrderError
    connection.execute(
        f"create temp table moments as select {ID} as id, account_id, region, first_at, last_at, "
        f"substr(snapshot_id, 1, 8) > '{through:%Y%m%d}' as is_late from ({fold_order.moments()}) "
        f"where snapshot_id < '{through + _LATER + _DAY:%Y%m%d}'"
    )
    late: set[str] = set()
    while found := {i for (i,) in connection.sql(_NOT_IN_ORDER).fetchall()}:
        late |= found
        connection.execute("update moments set is_late = true where list_contains($1, id)", [sorted(found)])
    return frozenset(late)
