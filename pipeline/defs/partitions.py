"""Windows as Dagster's partitions: those that hold a snapshot, and the one that is open."""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import click
from dagster import DailyPartitionsDefinition, HourlyPartitionsDefinition

from pipeline.errors import ClosedWindowError
from pipeline.windows import CADENCES, GRACE, Window

UNKNOWN_FIRST = date(2026, 1, 1)
"""Where partitions begin when nobody can say which windows there are: nothing was observed before."""

COMMANDS = ("dg", "dagster")
"""Programs by which a person launches a partition."""


class _RefusesWithASentence:
    """`dg launch` of a partition that is none ends with one sentence; Dagster's own error is a stack trace."""

    cadence: str

    def validate_partition_key(self, partition_key: str, context: Any = None) -> None:
        is_known = self.has_partition_key(partition_key)  # type: ignore[attr-defined]
        if is_known and Path(sys.argv[0]).name not in COMMANDS:
            return  # A run says of its window itself whether it is open, by its own clock.
        now = datetime.now(UTC)
        open_now = Window.at(self.cadence, now).key
        try:
            Window.of_key(self.cadence, partition_key).require_open(self.cadence, now)
        except ClosedWindowError as error:
            raise click.ClickException(str(error)) from error
        except ValueError:
            is_known = False  # No key of a window.
        if not is_known:
            raise click.ClickException(
                f"There is no window {partition_key}: they are {self.cadence}, and {open_now} is open."
            )


class DailyWindows(_RefusesWithASentence, DailyPartitionsDefinition):
    cadence = "daily"


class HourlyWindows(_RefusesWithASentence, HourlyPartitionsDefinition):
    cadence = "hourly"


Windows: TypeAlias = DailyWindows | HourlyWindows


def windows(cadence: str, now: datetime, known: Collection[Window] | None = None, first: date | None = None) -> Windows:
    """The partitions, UTC, from the first window that holds a snapshot, or from `first`, to the one that is open.

    `known` are the windows that hold one; None where that cannot be told. One that is over and holds none is no
    partition: it could only be refused, and `coverage` tells of it.
    """
    open_window = Window.at(cadence, now - GRACE).start  # The one before takes late starts for a while.
    there = {window.start for window in known or () if window.end - window.start == CADENCES[cadence]}
    if first is not None:
        start = min(datetime(first.year, first.month, first.day, tzinfo=UTC), open_window)
    elif known is None:
        start = datetime(UNKNOWN_FIRST.year, UNKNOWN_FIRST.month, UNKNOWN_FIRST.day, tzinfo=UTC)
    else:
        start = min([*there, open_window])
    absent = []
    at = start
    while known is not None and at < open_window:
        absent += [at] if at not in there else []
        at += CADENCES[cadence]
    kind = DailyWindows if cadence == "daily" else HourlyWindows
    return kind(start_date=start, timezone="UTC", end_offset=1, exclusions=absent or None)
