"""Merges the looks of a run into a window that has a snapshot already. docs/warehouse.md has the rules as a table."""

from __future__ import annotations

from collections import Counter
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
    """Decides, target by target, which rows of a window's earlier snapshot are kept beside those of new looks.

    Runs may overlap: of two rows of an image builder the one that was observed later counts, whichever is committed
    later, and what a complete look did not see is gone only if no row of it was observed after that look.
    """

    def __init__(self, looks: dict[TargetKey, Row], earlier: dict[TargetKey, Row]) -> None:
        self._looks, self._earlier = looks, earlier
        seen = {t for t, row in looks.items() if row["status"] == "ok"}
        good = {t for t, row in earlier.items() if row["status"] == "ok"}
        self._carried = set(earlier) - seen - (set(looks) - good)
        """Targets not looked at now, or without success: all earlier image builders are kept."""
        self._both = {
            t for t in seen & good if not looks[t]["complete"] or _known_until(earlier[t]) > looks[t]["started_at"]
        }
        """Targets whose image builders come from both looks: seen in part now, or by two runs that overlapped."""
        self._untold = {t for t in seen & good if looks[t].get("tags_status") != "ok"}
        """Targets seen earlier whose tags are not all told now."""
        self._ends = {
            t: looks[t]["observed_at"]
            for t in self._both
            if looks[t]["complete"]
            and not (earlier[t]["complete"] and earlier[t]["observed_at"] > looks[t]["observed_at"])
        }
        """Of them, those of which what the look of now did not see is gone, unless it was observed after it."""
        self._ended = {
            t: earlier[t]["observed_at"] for t in self._both if t not in self._ends and earlier[t]["complete"]
        }
        """Likewise, those of which the earlier snapshot's look says what is gone."""
        self._told = {t for t in good if earlier[t].get("tags_status") == "ok"}
        self._before = contract.IMAGE_BUILDERS.schema.empty_table().select(["arn", "observed_at"])
        self._gone: set[str] = set()
        self._tags_before: dict[str, tuple[datetime, datetime | None]] = {}
        self._replaced: set[str] = set()
        self._tags_kept: set[str] = set()
        self._counts: Counter[TargetKey] = Counter()

    @classmethod
    def of(cls, looks: Iterable[Row], earlier: Iterable[Row]) -> Merge:
        return cls({target_of(r): r for r in looks}, {target_of(r): r for r in earlier})

    @property
    def keeps_earlier(self) -> bool:
        return bool(self._both or self._carried or self._tags_before)

    @property
    def needs_earlier(self) -> bool:
        """Whether `begin` has to be called, with the earlier image builders, before any `now`."""
        return bool(self._both or self._untold)

    def begin(self, builders: pa.Table) -> None:
        """Notes when image builders of the earlier snapshot were observed, and when their tags were told."""
        both = builders.filter(_of_targets(builders, self._both))
        self._before = pa.concat_tables([self._before, both.select(self._before.column_names)])
        self._gone.update(
            both["arn"].filter(pc.less_equal(both["observed_at"], _moments(both, self._ends))).to_pylist()
        )
        # Files of before tags_observed_at say of the whole target whether tags were told.
        of_old = pc.if_else(_of_targets(builders, self._told), builders["observed_at"], None)
        told_at = pc.coalesce(builders["tags_observed_at"], of_old)
        is_told = pc.and_(_of_targets(builders, self._untold), pc.is_valid(told_at))
        for arn, at, created in zip(
            *(column.filter(is_told).to_pylist() for column in (builders["arn"], told_at, builders["created_time"])),
            strict=True,
        ):
            self._tags_before[arn] = at, created

    def now(self, looked: pa.Table) -> pa.Table:
        """The new image builders that count, of the schema `LOOKED`."""
        if self._both:
            of_both = _of_targets(looked, self._both)
            place = pc.index_in(looked["arn"], self._before["arn"].combine_chunks())
            before = pc.take(self._before["observed_at"].combine_chunks(), place)
            was_gone = pc.fill_null(pc.less(looked["observed_at"], _moments(looked, self._ended)), False)
            is_old = pc.coalesce(pc.greater(before, looked["observed_at"]), was_gone)
            self._gone.difference_update(looked["arn"].to_pylist())
            looked = looked.filter(pc.invert(pc.and_(of_both, is_old)))
            self._replaced.update(looked["arn"].filter(_of_targets(looked, self._both)).to_pylist())
        self._count(looked)
        return looked

    def tags_told_before(self, builders: pa.Table) -> pa.Table:
        """New rows of image builders, with when their tags were told earlier where these looks did not tell them."""
        if not self._tags_before:
            return builders
        rows = zip(*(builders[name].to_pylist() for name in ("arn", "tags_observed_at", "created_time")), strict=True)
        told = []
        for arn, told_at, created in rows:
            before, created_before = self._tags_before.get(arn, (None, None))
            if told_at is None and before is not None and created == created_before:
                told_at = before
                self._tags_kept.add(arn)
            told.append(told_at)
        place = builders.schema.get_field_index("tags_observed_at")
        return builders.set_column(place, builders.schema.field(place), pa.array(told, contract.MOMENT))

    def keeps(self, table: Table, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows of a table of the earlier snapshot are kept."""
        kept = _of_targets(rows, self._carried)
        if self._both:
            over = pc.is_in(rows["arn"], pa.array(self._replaced | self._gone, pa.string()))
            kept = pc.or_(kept, pc.and_not(_of_targets(rows, self._both), over))
        if table.operation == contract.TAGS:  # One that was seen again without tags keeps the tags it had.
            kept = pc.or_(kept, pc.is_in(rows["arn"], pa.array(self._tags_kept, pa.string())))
        return kept

    def kept(self, builders: pa.Table) -> None:
        """Counts image builders that are kept."""
        self._count(builders)

    def _count(self, builders: pa.Table) -> None:
        for row in builders.group_by(["account_id", "region"]).aggregate([([], "count_all")]).to_pylist():
            self._counts[target_of(row)] += row["count_all"]

    def rows(self, snapshot_id: str, window: Window) -> list[Row]:
        """The rows of the new snapshot's `extracts`, ordered by target."""
        own = {
            "snapshot_id": snapshot_id,
            "window_start": window.start,
            "window_end": window.end,
            "configured_at": self._configured_at(),
        }
        targets = sorted(self._looks | self._earlier)
        # Whether the window's newest run of the whole configuration named the target; None before any such run.
        configured = {t: self._earlier.get(t, {}).get("is_configured") for t in targets}
        if any(row.get("is_configured") for row in self._looks.values()):
            configured = {t: t in self._looks for t in targets}
        return [self._row(t) | own | {"is_configured": configured[t]} for t in targets]

    def _configured_at(self) -> datetime | None:
        """When the window's newest run of the whole configuration planned; where no row tells, when its looks began."""
        newest = [r for r in self._looks.values() if r.get("is_configured")] or list(self._earlier.values())
        configured = [r for r in newest if r.get("is_configured") is not None]
        return max((r.get("configured_at") or r["started_at"] for r in configured), default=None)

    def _row(self, target: TargetKey) -> Row:
        look, earlier = self._looks.get(target), self._earlier.get(target)
        if not look or not earlier:
            row = look or earlier or {}
            return row if look else row | _carried(row)
        is_seen, was_seen = look["status"] == "ok", earlier["status"] == "ok"
        if not was_seen:
            # Neither replaces anything: what is told of is the later look, or the one that saw something.
            row, other = (
                (look, earlier) if is_seen or look["observed_at"] >= earlier["observed_at"] else (earlier, look)
            )
            return row if not is_seen else row | _later(row, other)
        if not is_seen:
            return earlier | _carried(earlier) | _later(earlier, look)
        row = self._seen_twice(target, look, earlier)
        if target in self._both:
            row |= _worse_tags(earlier, look)
        return row | {"builders": self._counts[target]}

    def _seen_twice(self, target: TargetKey, look: Row, earlier: Row) -> Row:
        """The row of a target that both looks saw: of the complete one; of the later, where both are or neither is."""
        is_now = look["observed_at"] >= earlier["observed_at"]
        if look["complete"] != earlier["complete"]:
            is_now = look["complete"]
        row, other = (look, earlier) if is_now else (earlier | _carried(earlier), look)
        refreshed = [other["observed_at"]] if row["complete"] and not other["complete"] else []
        refreshed += [r["refreshed_at"] for r in (row, other) if r.get("refreshed_at")]
        after = max((at for at in refreshed if at >= row["observed_at"]), default=None)
        return row | {"refreshed_at": after} | _later(row, other)


def _known_until(row: Row) -> datetime:
    """When the newest look that a row tells of ended."""
    known: datetime = max(filter(None, (row["observed_at"], row.get("refreshed_at"), row.get("later_observed_at"))))
    return known


def _carried(row: Row) -> Row:
    return {"carried_from": row["carried_from"] or row["snapshot_id"]}


def _later(row: Row, other: Row) -> Row:
    """The `later_*` columns of a row, and what goes with them: the newest look after the row's own that either knows.

    Of two that ended at one moment, the one that is committed now is the later.
    """
    is_other_now = other.get("snapshot_id") is None
    known = [_told_later(row), _told_later(other), {f"later_{k}": other.get(k) for k in _LATER}]
    after = [
        columns
        for columns in known
        if (at := columns["later_observed_at"])
        and (at > row["observed_at"] or columns is known[0] or (is_other_now and at == row["observed_at"]))
    ]
    if not after:
        return _told_later({})
    newest: Row = max(reversed(after), key=lambda columns: columns["later_observed_at"])
    return newest | {
        "account_name": other["account_name"] or row["account_name"],
        contract.EXTRA: other[contract.EXTRA] or row[contract.EXTRA],
    }


def _told_later(row: Row) -> Row:
    return {f"later_{k}": row.get(f"later_{k}") for k in _LATER}


def _worse_tags(earlier: Row, look: Row) -> Row:
    """The tags columns of a target whose rows come from two looks: ok only if both looks told the tags."""
    worse = look if earlier.get("tags_status") == "ok" else earlier
    return {name: worse.get(name) for name in ("tags_status", "tags_error_code", "tags_error_message")}


def _moments(rows: pa.Table, moments: dict[TargetKey, datetime]) -> pa.ChunkedArray:
    """The moment of each row's target; null where it has none."""
    keys = pc.binary_join_element_wise(rows["account_id"], rows["region"], "/")
    place = pc.index_in(keys, pa.array(["/".join(t) for t in moments], pa.string()))
    return pc.take(pa.array(list(moments.values()), contract.MOMENT), place)


def _of_targets(rows: pa.Table, targets: set[TargetKey]) -> pa.ChunkedArray:
    keys = pc.binary_join_element_wise(rows["account_id"], rows["region"], "/")
    return pc.is_in(keys, pa.array(["/".join(t) for t in targets], pa.string()))
