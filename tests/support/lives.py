"""Regions whose image builders live at random, and looks at them of every kind: complete, failed, narrowed, lacking."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.warehouse import Warehouse
from tests.support.estates import builder
from tests.support.replay import Look, replay

NAMES = "abcd"
STATES = ("RUNNING", "STOPPED", "RUNNING", "STOPPED", "FAILED", "REBOOTING", "PENDING")


@dataclass
class Region:
    """A region of builders; nothing that one does depends on another."""

    name: str
    rng: random.Random
    builders: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def live(self, at: datetime) -> None:
        """What happens until a moment: builders come and go, are others of their name, start, stop and change."""
        for name in NAMES:
            if name not in self.builders:
                if self._is(0.25):
                    self._create(name, at)
            elif self._is(0.08):
                del self.builders[name]
            else:
                self._change(name, at)

    def _create(self, name: str, at: datetime) -> None:
        members: dict[str, Any] = {
            "CreatedTime": (at - timedelta(hours=self.rng.choice([0.2, 1, 30, -0.01]))).timestamp(),
            "State": self.rng.choice(STATES),
            "InstanceType": "stream.standard.medium",
            "Platform": self.rng.choice(["WINDOWS_SERVER_2022", "AMAZON_LINUX2023", None]),
            "VpcConfig": {"SubnetIds": ["s1"]},
            "RootVolumeConfig": {"VolumeSizeInGb": self.rng.choice([200, 500])},
        }
        if self._is(0.1):
            del members["CreatedTime"]
        told: dict[str, Any] = {member: value for member, value in members.items() if value is not None}
        self.builders[name] = builder(name, self.name, **told)
        self.tags[name] = {"Owner": self.rng.choice("xy")}

    def _change(self, name: str, at: datetime) -> None:
        of = self.builders[name]
        choose = self.rng.choice
        if self._is(0.06):
            of["CreatedTime"] = (at - timedelta(minutes=choose([5, 1800]))).timestamp()
        if self._is(0.36):
            of["State"] = choose(STATES)
        if self._is(0.1):
            of["VpcConfig"] = {"SubnetIds": sorted(self.rng.sample(["s1", "s2", "s3"], self.rng.randint(0, 2)))}
        if self._is(0.05):
            of["InstanceType"] = choose(["stream.standard.medium", "stream.standard.large"])
        if self._is(0.05):
            of["RootVolumeConfig"] = {"VolumeSizeInGb": choose([200, 300])}
        if self._is(0.1):
            of["NetworkAccessConfiguration"] = {"EniId": choose(["e1", "e2"])}
        if self._is(0.1):
            self.tags[name] = choose([{"Owner": "x"}, {"Owner": "y"}, {"owner": "z", "a": "b"}, {}])
        if self._is(0.08):
            told = {"ErrorCode": "E", "ErrorMessage": "m", "ErrorTimestamp": at.timestamp()}
            of["ImageBuilderErrors"] = choose([[], [told]])
        if self._is(0.05):
            of["Unheard"] = choose([1, 2])

    def look(self) -> Look:
        """One that failed, was narrowed to some, was complete and AWS had left some out, or saw all."""
        all_of_them = [dict(of) for of in self.builders.values()]
        tags = {name: dict(told) for name, told in self.tags.items()} if self._is(0.6) else None
        kind = self.rng.random()
        if kind < 0.12:
            return Look(None)
        if kind < 0.3:
            return Look([of for of in all_of_them if self._is(0.6)], complete=False, tags=tags)
        if kind < 0.36:
            return Look([of for of in all_of_them if self._is(0.7)], tags=tags)
        return Look(all_of_them, tags=tags)

    def _is(self, likely: float) -> bool:
        return self.rng.random() < likely


def live_a_day(home: Warehouse, regions: list[Region], day: datetime, rng: random.Random) -> None:
    """Looks at the regions on a day, daily, hourly, both or not at all, each at a moment of its own."""
    for at, cadence in sorted(_moments(day, rng)):
        for region in regions:
            region.live(at)
        looks = {region.name: region.look() for region in regions if region.rng.random() < 0.95}
        if looks:
            replay(home, at, looks, cadence)


def _moments(day: datetime, rng: random.Random) -> Iterator[tuple[datetime, str]]:
    kind = rng.choice(["daily", "hourly", "both", "none", "both"])
    if kind in ("daily", "both"):
        for _ in range(rng.randint(1, 2)):
            yield day + timedelta(minutes=rng.randint(1, 1439)), "daily"
    if kind in ("hourly", "both"):
        for hour in rng.sample(range(24), rng.randint(1, 4)):
            yield (
                day + timedelta(hours=hour, minutes=rng.randint(1, 58), microseconds=rng.randint(0, 999_999)),
                "hourly",
            )
            if rng.random() < 0.2:
                yield day + timedelta(hours=hour, minutes=59, seconds=30), "hourly"
