"""When people work, as findings.yaml says it, and as stretches of the days of UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from pipeline.settings.yaml_file import Keys

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[str, ...] = get_args(Weekday)
DAY_SECONDS = 86_400


def _not_empty(given: list[Weekday]) -> list[Weekday]:
    if not given:
        raise ValueError("the list is empty: name one day at least, or leave the key out for the default")
    return given


def _clock(given: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00", given, re.ASCII):
        raise ValueError(f"'{given}' is no time of day: write it in quotes, \"08:00\" for instance")
    return given


def _offset(given: str) -> str:
    if not re.fullmatch(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]", given, re.ASCII):
        raise ValueError(f"'{given}' is no offset from UTC: write it in quotes, \"-05:00\" for instance")
    return given


class WorkingHoursKeys(Keys):
    """When people work: days of the week, and the hours of each in a zone with one offset from UTC."""

    days: Annotated[list[Weekday], AfterValidator(_not_empty)] | None = None
    from_: Annotated[str, AfterValidator(_clock)] | None = Field(default=None, alias="from")
    to: Annotated[str, AfterValidator(_clock)] | None = None
    utc_offset: Annotated[str, AfterValidator(_offset)] | None = None


def working_hours(defaults: dict[str, Any], given: WorkingHoursKeys) -> tuple[tuple[int, int, int], ...]:
    """The stretches of work, cut at the midnights of UTC: the day, Monday 0, the first second and the first after it.

    Raises ValueError where they end before they begin.
    """
    own = defaults | given.model_dump(by_alias=True, exclude_none=True)
    begin, end = _seconds(own["from"]), _seconds(own["to"])
    if end <= begin:
        raise ValueError(f"to is {own['to']}, and from is {own['from']}: to must be later on the same day")
    offset = _seconds(own["utc_offset"][1:]) * (-1 if own["utc_offset"][0] == "-" else 1)
    days = sorted({WEEKDAYS.index(name) for name in own["days"]})
    return tuple(cut for day in days for cut in _cut(day * DAY_SECONDS + begin - offset, end - begin))


def _cut(start: int, left: int) -> Iterator[tuple[int, int, int]]:
    """A stretch from a second of the week on, cut at midnights."""
    while left > 0:
        day, second = divmod(start % (7 * DAY_SECONDS), DAY_SECONDS)
        length = min(left, DAY_SECONDS - second)
        yield day, second, second + length
        start, left = start + length, left - length


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
