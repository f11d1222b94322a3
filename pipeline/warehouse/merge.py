"""Merges the looks of a run into a window that has a snapshot already. docs/warehouse.md has the rules as a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import contract
from pipeline.contract import Table
from pipeline.windows import Window

Row = dict[str, Any]
TargetKey = tuple[str, str]

_LATER = ("status", "error_code", "error_message", "observed_at", "resume_token")


def target_of(row: Row) -> TargetKey:
    """The account and region of a row."""
    return row["account_id"], row["region"]


class Merge:
    """Decides, target by target, which rows of a window's earlier snapshot are kept beside those of new looks."""

    def __init__(self, looks: dict[TargetKey, Row], earlier: dict[TargetKey, Row]) -> None:
        self._looks, self._earlier = looks, earlier
        seen = {t for t, row in looks.items() if row["status"] == "ok"}
        good = {t for t, row in earlier.items() if row["status"] == "ok"}
        self._refreshed = {t for t in seen & good if not looks[t]["complete"]}
        """Targets seen in part now: earlier image builders are kept unless they were seen again."""
        self._carried = set(earlier) - seen - (set(looks) - good)
        """Targets not looked at now, or without success: all earlier image builders are kept."""
        self._seen_again: set[str] = set()
        self._kept: dict[TargetKey, int] = {}

    @classmethod
    def of(cls, looks: Iterable[Row], earlier: Iterable[Row]) -> Merge:
        return cls({target_of(r): r for r in looks}, {target_of(r): r for r in earlier})

    @property
    def keeps_earlier(self) -> bool:
        return bool(self._refreshed or self._carried)

    def saw(self, looked: pa.Table) -> None:
        """Notes the image builders of new looks that replace an earlier row each."""
        if self._refreshed:
            self._seen_again.update(looked["arn"].filter(_of_targets(looked, self._refreshed)).to_pylist())

    def keeps(self, table: Table, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows of a table of the earlier snapshot are kept."""
        again = pc.is_in(rows["arn"], pa.array(self._seen_again, pa.string()))
        if table.operation == contract.TAGS:  # One that was seen again without tags keeps the tags it had.
            with_tags = {t for t in self._refreshed if self._looks[t].get("tags_status") == "ok"}
            again = pc.and_(again, _of_targets(rows, with_tags))
        return pc.or_(
            _of_targets(rows, self._carried),
            pc.and_not(_of_targets(rows, self._refreshed), again),
        )

    def kept(self, builders: pa.Table) -> None:
        """Counts image builders that are kept."""
        for row in builders.group_by(["account_id", "region"]).aggregate([([], "count_all")]).to_pylist():
            self._kept[target_of(row)] = self._kept.get(target_of(row), 0) + row["count_all"]

    def rows(self, snapshot_id: str, window: Window) -> list[Row]:
        """The rows of the new snapshot's `extracts`, ordered by target."""
        own = {
            "snapshot_id": snapshot_id,
            "window_start": window.start,
            "window_end": window.end,
            "configured_at": self._configured_at(),
        }
        return [
            self._row(t) | own | {"is_configured": self._is_configured(t)} for t in sorted(self._looks | self._earlier)
        ]

    def _configured_at(self) -> datetime | None:
        """When the window's newest run of the whole configuration planned; where no row tells, when its looks began."""
        newest = [r for r in self._looks.values() if r.get("is_configured")] or list(self._earlier.values())
        configured = [r for r in newest if r.get("is_configured") is not None]
        return max((r.get("configured_at") or r["started_at"] for r in configured), default=None)

    def _is_configured(self, target: TargetKey) -> bool | None:
        """Whether the window's newest run of the whole configuration named the target; None before any such run."""
        if any(row.get("is_configured") for row in self._looks.values()):
            return target in self._looks
        return self._earlier.get(target, {}).get("is_configured")

    def _row(self, target: TargetKey) -> Row:
        look, earlier = self._looks.get(target), self._earlier.get(target)
        if target in self._carried or (target in self._refreshed and earlier and earlier["complete"]):
            assert earlier
            row = earlier | {"carried_from": earlier["carried_from"] or earlier["snapshot_id"]}
            if look:
                row |= {f"later_{k}": look[k] for k in _LATER} | {"account_name": look["account_name"]}
                row[contract.EXTRA] = look[contract.EXTRA] or earlier[contract.EXTRA]
            if target in self._refreshed and look:
                row["builders"] = look["builders"] + self._kept.get(target, 0)
                row |= _worse_tags(earlier, look)
            return row
        assert look
        row = look | {"builders": look["builders"] + self._kept.get(target, 0)}
        if target in self._refreshed and earlier:
            row |= _worse_tags(earlier, look)
        return row


def _worse_tags(earlier: Row, look: Row) -> Row:
    """The tags columns of a target whose rows come from two looks: ok only if both looks told the tags."""
    worse = look if earlier.get("tags_status") == "ok" else earlier
    return {name: worse.get(name) for name in ("tags_status", "tags_error_code", "tags_error_message")}


def _of_targets(rows: pa.Table, targets: set[TargetKey]) -> pa.ChunkedArray:
    keys = pc.binary_join_element_wise(rows["account_id"], rows["region"], "/")
    return pc.is_in(keys, pa.array(["/".join(t) for t in targets], pa.string()))
