"""The ids of snapshots: what they say of window and time, and the paths of a snapshot's files.

An id is `<window>-<moment>-<random>`, for instance `20261123T0000P24H-20261123T120000000000-9f3c`: ids sort by time,
and no two attempts share one. A snapshot of a joined day has `-day` after its id; the day's file is `day-<id>`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from pipeline.contract import HIVE_KEY, Table
from pipeline.windows import CADENCES, Window

DAY, JOINED = "day-", "-day"
"""The beginning of the name of a file with all snapshots of a day, and the end of the ids of the snapshots in it."""

_MOMENT = "%Y%m%dT%H%M%S%f"
_SNAPSHOT_ID = re.compile(r"\d{8}T\d{4}P\d+H-(\d{8}T\d{12})-[0-9a-f]{4}")
_PRICE_LIST = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}\.parquet")

FILE_PATTERN = "[d0-9]*-[0-9]*T*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f].parquet"
"""A glob of the names of the files that `is_ours` accepts, as narrow as a glob can be."""

PRICES_PATTERN = "[0-9]*T*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f].parquet"
"""The same, of price snapshots."""


def new_id(window: Window, now: datetime, earlier: str | None) -> str:
    """A new id, later than the window's earlier snapshot even where the clock has been set back."""
    moment = now.astimezone(UTC)
    if earlier and (match := _SNAPSHOT_ID.fullmatch(earlier)):
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


def snapshot_of(path: str) -> str | None:
    """The snapshot that a file belongs to; None for a joined day's, and for files of another kind."""
    stem = PurePosixPath(path).stem
    return stem if path.endswith(".parquet") and _SNAPSHOT_ID.fullmatch(stem) else None


def is_joined(path: str) -> bool:
    """Whether a file holds all snapshots of a day."""
    name = PurePosixPath(path).name
    return name.startswith(DAY) and snapshot_of(name.removeprefix(DAY)) is not None


def is_ours(path: str) -> bool:
    """Whether a file of a table's folder is one of the warehouse's: others (.DS_Store, notes, copies) mean nothing."""
    return is_joined(path) or snapshot_of(path) is not None


def is_price_list(path: str) -> bool:
    """Whether a file is a price snapshot."""
    return _PRICE_LIST.fullmatch(PurePosixPath(path).name) is not None


def path_of(table: Table, name: str) -> str:
    """The path of a table's file, relative to the warehouse; its name is a snapshot's id, or that of a joined day."""
    date = datetime.strptime(name.removeprefix(DAY)[:8], "%Y%m%d").strftime("%Y-%m-%d")
    return f"{table.name}/{HIVE_KEY}={date}/{name}.parquet"
