"""Windows of time: partitions of a day or an hour, UTC. The moment is always an argument; no clock is read here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.errors import ClosedWindowError

CADENCES = {"daily": timedelta(days=1), "hourly": timedelta(hours=1)}
KEY_FORMATS = {"daily": "%Y-%m-%d", "hourly": "%Y-%m-%d-%H:%M"}
"""The format of a window's partition key: Dagster's own, of daily and hourly partitions."""

GRACE = timedelta(minutes=15)
"""How long after its end a window still accepts a run that started late."""


@dataclass(frozen=True)
class Window:
    """A stretch of time, UTC, from `start` up to but not including `end`."""

    start: datetime
    end: datetime
    key: str

    @property
    def id(self) -> str:
        """The beginning of the ids of this window's snapshots: its first moment, and its length in hours."""
        return f"{self.start:%Y%m%dT%H%M}P{(self.end - self.start) // timedelta(hours=1)}H"

    @classmethod
    def of_key(cls, cadence: str, key: str) -> Window:
        start = datetime.strptime(key, KEY_FORMATS[cadence]).replace(tzinfo=UTC)
        return cls(start, start + CADENCES[cadence], key)

    @classmethod
    def at(cls, cadence: str, moment: datetime) -> Window:
        """The window of a moment."""
        moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if cadence == "daily":
            moment = moment.replace(hour=0)
        return cls.of_key(cadence, moment.strftime(KEY_FORMATS[cadence]))

    def require_open(self, cadence: str, now: datetime) -> None:
        """Raises ClosedWindowError unless the window is open at `now`, or closed within the grace."""
        if not self.start <= now < self.end + GRACE:
            when = "over" if now >= self.end else "not open yet"
            raise ClosedWindowError(
                f"Window {self.key} is {when}, and AppStream can be observed only now: "
                f"launch partition {Window.at(cadence, now).key} instead."
            )
