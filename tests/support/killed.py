"""Publishes and tends one warehouse again and again, each time in a child that is killed at a random moment.

Run by tests/warehouse/test_kills.py: `killed.py WAREHOUSE KILLS SEED`. After each kill the warehouse must hold what it
held, or that and the whole new snapshot, read without any of the pipeline's own reading. Prints the figures as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline import views
from pipeline.warehouse import Warehouse, s3_lock, tend
from tests.support import oracle
from tests.support.estates import builder
from tests.support.replay import Look, replay

FIRST = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
STEP = timedelta(hours=5)

Told = dict[str, list[str]]


def publish(location: str, number: int) -> None:
    """A snapshot of the number's window; the names say which. Some windows are published twice."""
    at = FIRST + STEP * (number - number % 3 // 2)
    home = Warehouse(location, grace=0.0)
    seen = {"us-east-1": Look([builder("always"), builder(f"n{number}")]), "eu-west-1": Look([])}
    replay(home, at, seen, "hourly")
    tend(home, at)


def told(location: str) -> Told:
    """The names in each window."""
    found: Told = {}
    committed = oracle.committed(location, ("extracts", "image_builders"))
    for row in committed.get("extracts", []):
        found.setdefault(dict(row)["snapshot_id"].partition("-")[0], [])
    for row in committed.get("image_builders", []):
        found[dict(row)["snapshot_id"].partition("-")[0]].append(dict(row)["name"])
    return {window: sorted(names) for window, names in found.items()}


def in_child(location: str, number: int, seconds: float | None) -> bool:
    """Whether the child was killed before it had done all."""
    child = os.fork()
    if child == 0:
        try:
            publish(location, number)
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"publication {number} failed")
    return os.WIFSIGNALED(status)


def main(location: str, kills: int, seed: int) -> None:
    s3_lock.LEASE = 0.3  # A dead holder's lock is in the way for as long.
    dice = random.Random(seed)
    begun = time.monotonic()
    in_child(location, 0, None)
    took = time.monotonic() - begun
    state, number, done, figures = told(location), 0, 0, {"kills": 0, "before": 0, "after": 0, "torn": 0}
    while figures["kills"] < kills:
        number += 1
        figures["kills"] += in_child(location, number, dice.uniform(0, took * 1.2))
        done += 1
        now = told(location)
        window = f"{FIRST + STEP * (number - number % 3 // 2):%Y%m%dT%H00}P1H"
        new = state | {window: ["always", f"n{number}"]}
        if now not in (state, new):
            figures["torn"] += 1
            print(
                json.dumps({"number": number, "expected": [state.get(window), new[window]], "found": now.get(window)})
            )
        figures["after" if now == new else "before"] += 1
        state = now
    in_child(location, number + 3, None)
    home = Warehouse(location, grace=0.0)
    names = views.query(home, "select name from image_builders_current order by name")["name"].to_pylist()
    is_clean = oracle.bare(location) == oracle.committed(location)
    print(json.dumps(figures | {"clean": is_clean, "current": names == ["always", f"n{number + 3}"]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)  # Libraries' threads and many forks make a teardown that may abort.
