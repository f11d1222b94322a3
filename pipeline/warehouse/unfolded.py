"""The snapshots that are not folded: the rows of them that a question of history is put to, and a step of the fold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.contract import TABLES, Table
from pipeline.warehouse.folds import ID, Fold, days_of_file
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.raw_tables import bound_scan
from pipeline.warehouse.scan import UNFOLDED, quoted
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Part:
    """The snapshots that are not folded, all or those through a day but for some that are late."""

    fold: Fold | None
    through: date | None = None
    late: frozenset[str] = frozenset()

    def scans(self, names: Collection[str], home: Warehouse, holdings: Holdings) -> dict[str, str]:
        """The queries of the raw tables of what is not folded, of those names that are one's."""
        return {UNFOLDED[t.name]: self._scan(t, home, holdings) for t in TABLES if UNFOLDED[t.name] in names}

    def _scan(self, table: Table, home: Warehouse, holdings: Holdings) -> str:
        since = self.fold.through + timedelta(days=1) if self.fold else date.min
        before = self.fold.late if self.fold else frozenset()
        late_days = {datetime.strptime(i[:8], "%Y%m%d").date() for i in before}
        days = {name: days_of_file(name) for name in holdings.commits}
        names = [
            name
            for name, (first, last) in days.items()
            if (last >= since or any(first <= day <= last for day in late_days))
            and (self.through is None or first <= self.through)
        ]
        rows = bound_scan(table, home, holdings, names)
        conditions = []
        if self.fold:
            is_since = f"snapshot_id >= '{since:%Y%m%d}'"
            conditions.append(f"({is_since} or {ID} in ({_listed(before)}))" if before else is_since)
        if self.through:
            conditions.append(f"snapshot_id < '{self.through + timedelta(days=1):%Y%m%d}'")
        if self.late:
            conditions.append(f"{ID} not in ({_listed(self.late)})")
        return f"select * from ({rows}) where {' and '.join(conditions)}" if conditions else rows


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(quoted(text) for text in sorted(texts))
