"""Looks at a sandbox's targets and publishes what was seen, as the job does, without Dagster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.aws import Access, sessions
from pipeline.extract import RetryPolicy, Selection, Sweep
from pipeline.extract.limits import LookLimits
from pipeline.extract.look import Row
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.server import Sandbox
from pipeline.warehouse import Extracted, Published, Warehouse
from pipeline.windows import Window
from tests.support.estates import target


@dataclass
class Looker:
    """Looks at a sandbox's targets and publishes what was seen, as the job does, without Dagster."""

    sandbox: Sandbox
    warehouse: Warehouse
    cadence: str = "daily"
    retry_policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(1, 0))
    tags: bool = False
    limits: LookLimits = field(default_factory=LookLimits)
    steps: int = -1

    def extract(self, *regions: str, **selection: Any) -> Extracted:
        access = Access(sessions.new_session())
        sweep = Sweep(
            access,
            self.sandbox.clock.now,
            Selection(**selection),
            self.retry_policy,
            4,
            "run-1",
            tags=self.tags,
            limits=self.limits,
        )
        self.steps += 1
        with self.warehouse.stage(f"run-1-{self.steps}") as (stream, sink):
            rows = sweep.run([target(r) for r in regions or ("us-east-1",)], sink)
        return Extracted(rows, stream)

    def look(self, *regions: str, **selection: Any) -> Row:
        """The `extracts` row of the first target."""
        return self.extract(*regions, **selection).rows[0]

    def publish(self, *regions: str, **selection: Any) -> Published:
        window = Window.at(self.cadence, self.sandbox.clock.now())
        return self.warehouse.publish(window, [self.extract(*regions, **selection)], self.sandbox.clock.now)


def estate_of(looker: Looker) -> dict[tuple[str, str], Any]:
    """The builders of a looker's sandbox, to be changed."""
    estate = looker.sandbox.appstream.estate
    assert isinstance(estate, FixedEstate)
    return estate.by_target
