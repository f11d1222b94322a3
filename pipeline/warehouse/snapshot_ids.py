"""The ids of snapshots: what they say of window and time, and the paths of a snapshot's files.

An id is `<window>-<moment>-<random>`, for instance `20261123T0000P24H-20261123T120000000000-9f3c`: ids sort by time,
and no two attempts share one. Snapshots that are joined with others lie in one file of their day, of a few days, of
their month or year: its name is the newest one's id behind the span's name, and theirs end with it.
"""

from __future__ import annotations

import calendar
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath

from pipeline.contract import HIVE_KEY, Table
from pipeline.windows import CADENCES, Window

SPANS = ("day", "days", "month", "year")
"""The spans of time whose snapshots are joined, from short to long. In this order, which is the alphabet's too, ids
that end with one sort: a snapshot supersedes what it was before it was joined.
"""

_FEW_DAYS = 7
"""Days of a month that are joined on the way to the month's file: from the 1st, 8th, 15th and 22nd on."""

_MOMENT = "%Y%m%dT%H%M%S%f"
_ID = r"\d{8}T\d{4}P\d+H-(\d{8}T\d{12})-[0-9a-f]{4}"
_SNAPSHOT_ID = re.compile(_ID)
_NAME = re.compile(rf"(?:(?P<span>{'|'.join(SPANS)})(?P<revision>\d{{4}})?-)?(?P<id>{_ID})")
_JOINED = re.compile(rf"{_ID}-(?P<span>{'|'.join(SPANS)})(?P<revision>\d{{4}})?")
_PRICE_LIST = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}\.parquet")

FILE_PATTERN = "[dmy0-9]*-[0-9]*T*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f].parquet"
"""A glob of the names that `Name.of` knows, as narrow as a glob can be."""

PRICES_PATTERN = "[0-9]*T*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f].parquet"
"""The same, of price snapshots."""


@dataclass(frozen=True)
class Name:
    """The name of a file: whose snapshots it holds."""

    span: str | None
    """The span whose snapshots are joined in it; None for a file of one snapshot."""
    newest: str
    """The id of its newest snapshot, as it was before it was joined."""
    revision: int = 0
    """How often rows of it were forgotten since it was joined."""

    @classmethod
    def of(cls, path: str) -> Name | None:
        """What the name of a file says; None for a file that is not the warehouse's."""
        match = _NAME.fullmatch(PurePosixPath(path).stem) if path.endswith(".parquet") else None
        return cls(match["span"], match["id"], int(match["revision"] or 0)) if match else None

    def __str__(self) -> str:
        return f"{self.suffix}-{self.newest}" if self.span else self.newest

    @property
    def suffix(self) -> str:
        """What the ids of its snapshots end with, behind a hyphen; nothing for a file of one snapshot."""
        return f"{self.span or ''}{f'{self.revision:04d}' if self.revision else ''}"

    @property
    def day(self) -> date:
        """The day on which the window of its newest snapshot began."""
        return datetime.strptime(self.newest[:8], "%Y%m%d").date()

    @property
    def rank(self) -> int:
        """How long its span is: 0 for one snapshot, then from 1 as in `SPANS`."""
        return SPANS.index(self.span) + 1 if self.span else 0


def days_of(span: str, day: date) -> tuple[date, date]:
    """The first and the last day of the span of a kind that a day is in."""
    last_of_month = calendar.monthrange(day.year, day.month)[1]
    if span == "year":
        return date(day.year, 1, 1), date(day.year, 12, 31)
    if span == "month":
        return day.replace(day=1), day.replace(day=last_of_month)
    if span == "days":
        first = min((day.day - 1) // _FEW_DAYS, 3) * _FEW_DAYS + 1
        return day.replace(day=first), day.replace(day=last_of_month if first > 21 else first + _FEW_DAYS - 1)
    return day, day


def joined_id(snapshot_id: str, name: Name) -> str:
    """The id of a snapshot that is joined with others in a file."""
    return f"{unjoined_id(snapshot_id)}-{name.suffix}"


def file_of(told: str | Name) -> tuple[str, ...]:
    """What the file of a snapshot goes by, of its id or of the file's name: equal for the same file."""
    if isinstance(told, Name):
        return (told.newest,) if not told.span else (told.suffix, str(days_of(told.span, told.day)[0]))
    match = _JOINED.fullmatch(told)
    if match is None:
        return (told,)
    day = datetime.strptime(told[:8], "%Y%m%d").date()
    return told[len(unjoined_id(told)) + 1 :], str(days_of(match["span"], day)[0])


def unjoined_id(snapshot_id: str) -> str:
    """The id of a snapshot before it was joined."""
    match = _SNAPSHOT_ID.match(snapshot_id)
    return match[0] if match else snapshot_id


def date_sql(snapshot_id: str) -> str:
    """SQL for the day on which the window of a snapshot began, of an expression of its id."""
    year, month, day = (f"substr({snapshot_id}, {first}, {length})" for first, length in ((1, 4), (5, 2), (7, 2)))
    return f"cast(concat({year}, '-', {month}, '-', {day}) as date)"


def new_id(window: Window, now: datetime, earlier: str | None) -> str:
    """A new id, later than the window's earlier snapshot even where the clock has been set back."""
    moment = now.astimezone(UTC)
    if earlier and (match := _SNAPSHOT_ID.match(earlier)):
        before = datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC)
        moment = max(moment, before + timedelta(microseconds=1))
    return f"{window.id}-{moment:{_MOMENT}}-{secrets.token_hex(2)}"


def window_of(snapshot_id: str) -> str:
    """The id of a snapshot's window."""
    return snapshot_id.partition("-")[0]


def cadence_of(snapshot_id: str) -> str | None:
    """The cadence of a snapshot's window; None for a length that no cadence has."""
    length = window_of(snapshot_id).partition("P")[2]
    return next((name for name, each in CADENCES.items() if length == f"{each // timedelta(hours=1)}H"), None)


def whole_window_of(snapshot_id: str) -> Window | None:
    """The window of a snapshot; None for a length that no cadence has."""
    cadence = cadence_of(snapshot_id)
    start = datetime.strptime(window_of(snapshot_id).partition("P")[0], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    return Window.at(cadence, start) if cadence else None


def newest_of_each_window(snapshot_ids: Iterable[str]) -> list[str]:
    """Of snapshots, those that no later one of their window supersedes; oldest first."""
    return sorted({window_of(i): i for i in sorted(snapshot_ids)}.values())


def is_price_list(path: str) -> bool:
    """Whether a file is a price snapshot."""
    return _PRICE_LIST.fullmatch(PurePosixPath(path).name) is not None


def path_of(table: Table, name: str | Name) -> str:
    """The path of a table's file, relative to the warehouse, by a snapshot's id or by its name.

    Its folder says the day; of a file of several days their last one, so that who filters the folders by `>=` leaves
    nothing out.
    """
    told = name if isinstance(name, Name) else Name.of(f"{name}.parquet") or Name(None, name)
    day = days_of(told.span, told.day)[1] if told.span else told.day
    return f"{table.name}/{HIVE_KEY}={day}/{told}.parquet"
