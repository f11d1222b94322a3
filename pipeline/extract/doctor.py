"""Checks, before anything is written, whether each target can be reached, as which identity, and be listed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.aws import Access, Role, bounds, sessions, threads
from pipeline.extract.limits import LookLimits
from pipeline.extract.listing import Selection
from pipeline.extract.options import RetryPolicy
from pipeline.extract.sweep import Progress, Sweep
from pipeline.targets import Plan, Target


@dataclass(frozen=True)
class Finding:
    """How a listing of one image builder went, and as which ARN. `status` is one of `extracts.status`."""

    target: Target
    identity: str | None
    status: str
    error_code: str | None
    error_message: str | None

    @property
    def is_well(self) -> bool:
        return self.status == "ok"


class _NullSink:
    """Discards the rows."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        pass


def examine(
    access: Access,
    plan: Plan,
    retry_policy: RetryPolicy,
    report: Callable[[Progress], None],
    limits: LookLimits | None = None,
) -> list[Finding]:
    """Asks every target for one image builder, just as a snapshot would; findings in the order of the plan."""
    limits = limits or LookLimits()
    chains = {t.roles: t.partition for t in plan.targets}
    most = min(bounds.BRIEF_DEADLINE, limits.deadline)
    found = threads.map_at_once(lambda item: _identity(access, *item, most), list(chains.items()), plan.concurrency)
    identities = dict(zip(chains, found, strict=True))
    one = Selection(page_size=1, max_items=1)
    sweep = Sweep(access, lambda: datetime.now(UTC), one, retry_policy, plan.concurrency, report=report, limits=limits)
    rows = sweep.run(plan.targets, _NullSink())
    return [
        Finding(t, identities[t.roles], row["status"], row["error_code"], row["error_message"])
        for t, row in zip(plan.targets, rows, strict=True)
    ]


def _identity(access: Access, roles: tuple[Role, ...], partition: str, seconds: float) -> str | None:
    """The ARN that calls are made as; None where STS does not tell in time, which the look's own error explains."""
    with contextlib.suppress(bounds.BoundError):
        return threads.call_within(
            seconds, "asking STS who calls are made as", lambda: _asked_identity(access, roles, partition)
        )
    return None


def _asked_identity(access: Access, roles: tuple[Role, ...], partition: str) -> str | None:
    for region in access.home_regions(partition):
        try:
            with access.acting_as(roles):
                reply: dict[str, Any] = access.client("sts", region, roles, sessions.BRIEF).get_caller_identity()
            return str(reply["Arn"])
        except Exception:
            continue
    return None
