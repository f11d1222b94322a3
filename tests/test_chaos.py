"""A sweep of many targets with every fault of the sandbox in random mixture, held against what was served.

Nothing is lost without a word, nothing is invented, and nothing that could not be looked at counts as gone.
"""

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.aws import Access, Role, new_session
from pipeline.extract import RetryPolicy, Selection, Sweep
from pipeline.extract.limits import LookLimits
from pipeline.sandbox.faults import KINDS, Fault
from pipeline.sandbox.server import Sandbox
from pipeline.targets import Target
from pipeline.warehouse import Extracted, Warehouse
from pipeline.windows import Window
from tests.support import NOON, builder, role_arn
from tests.support.effort import SEED, often

ACCOUNTS, REGIONS = [f"{n:012d}" for n in range(1, 26)], [f"us-east-{n}" for n in range(1, 21)]
VALUES: dict[str, list[Any]] = {
    "latency": [0.01, 0.1],
    "trickle": [0.0005, 3.0],
    "endless_listing": [None],
    "repeat_token": [None, "again"],
    "body": ["", "null", "[]", "{}", "<html>", '{"ImageBuilders": [', '{"ImageBuilders": 3}', b"\xff\x00", "[" * 5000],
    "error_body": [(500, b""), (503, b"<html>"), (429, b""), (400, b"{}"), (204, b""), (302, b""), (403, b"\xff")],
}


class Served:
    """Some image builders in each target, the same for ever: the oracle."""

    def __init__(self, dice: random.Random) -> None:
        self.by_target = {
            (account, region): [builder(f"b{n}", region, account) for n in range(dice.choice([0, 1, 3, 8]))]
            for account in ACCOUNTS
            for region in REGIONS
        }

    def builders(self, account_id: str, region: str, at: datetime) -> list[dict[str, Any]]:
        return self.by_target[account_id, region]

    def tags(self, account_id: str, region: str, at: datetime) -> dict[str, dict[str, str]]:
        return {}


def of(target: tuple[str, str], dice: random.Random) -> Fault:
    """A fault that strikes one target, on a page and as often as the dice say."""
    kind = dice.choice(sorted(KINDS))
    times = dice.choice([None, 1, 2, 5])
    if kind == "endless":
        times = 1  # Each takes the most of bytes that a reply may have.
    value = dice.choice(VALUES[kind]) if kind in VALUES else None
    page = dice.choice([None, 1, 2])
    if kind == "repeat_token" and value is None:
        page = 2  # The first page was asked for without a token: to repeat none would end the listing, rightly.
    return Fault(kind, *target, page=page, times=times, value=value)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEED, SEED + often(1, 4)))
def test_a_sweep_in_chaos_loses_nothing_without_a_word(
    seed: int, start_sandbox: Callable[..., Sandbox], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice, warehouse = random.Random(seed), Warehouse(str(tmp_path / "warehouse"), grace=0.0)
    served = Served(dice)
    sandbox = start_sandbox(served)
    targets = dice.sample(sorted(served.by_target), often(120, 500))
    publish(sandbox, warehouse, targets, NOON)  # Once without faults: what is there is known.
    sandbox.appstream.faults += [of(t, dice) for t in targets for _ in range(dice.choice([0, 0, 1, 1, 2]))]
    sandbox.appstream.faults += [
        Fault(kind, dice.choice(ACCOUNTS), service="sts", times=times)
        for kind, times in (("deny", None), ("throttle", 3), ("html", 2), ("reset", 1), ("trickle", None))
    ]
    rows = publish(sandbox, warehouse, targets, NOON + timedelta(days=1))

    found: dict[tuple[str, str], list[str]] = {}
    newest = views.query(warehouse, "from image_builders where snapshot_id = (select max(snapshot_id) from extracts)")
    for row in newest.to_pylist():
        found.setdefault((row["account_id"], row["region"]), []).append(row["arn"])
    lost = invented = unsaid = 0
    for target, row in zip(targets, rows, strict=True):
        there = {b["Arn"] for b in served.by_target[target]}
        told = found.get(target, [])
        invented += len(set(told) - there) + len(told) - len(set(told))
        if row["status"] == "ok":
            lost += len(there - set(told)) or abs(row["builders"] - len(there))
        else:
            unsaid += not row["error_code"] or not row["error_message"] or row["complete"]
            lost += len(told)
    current = views.query(warehouse, "select arn from image_builders_current")["arn"].to_pylist()
    deleted = views.query(warehouse, "from image_builder_changes where change = 'deleted'").num_rows
    with capsys.disabled():
        statuses = ", ".join(f"{n} {status}" for status, n in Counter(r["status"] for r in rows).most_common())
        print(f"\nchaos {seed}: {len(targets)} targets, {len(sandbox.appstream.faults)} faults; {statuses}; ", end="")
        print(f"{lost} lost in silence, {invented} invented, {deleted} falsely deleted")
    assert (lost, invented, unsaid, deleted) == (0, 0, 0, 0)
    assert sorted(current) == sorted(b["Arn"] for target in targets for b in served.by_target[target])


def publish(
    sandbox: Sandbox, warehouse: Warehouse, targets: list[tuple[str, str]], at: datetime
) -> list[dict[str, Any]]:
    sandbox.clock.set(at)
    planned = [Target(account, region, "aws", (Role(role_arn(account)),)) for account, region in targets]
    sweep = Sweep(
        Access(new_session(), 64),
        sandbox.clock.now,
        Selection(page_size=2),
        RetryPolicy(2, 0.01),
        32,
        limits=LookLimits(8.0, pages=200),
    )
    with warehouse.stage(f"chaos-{at:%d}") as (stream, sink):
        rows = sweep.run(planned, sink)
    warehouse.publish(Window.at("daily", at), [Extracted(rows, stream)], sandbox.clock.now)
    return rows
