"""What reading a page costs: one as expected, one with members that the contract does not declare, one to be mended."""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime

from pipeline.extract import read_page
from pipeline.report.markdown import to_markdown
from pipeline.sandbox.estate import SeededEstate

BUILDERS, ROUNDS = 1_000, 31
TOLD = {
    "as expected": {},
    "with a member that is not declared": {"Hibernation": {"Mode": "ON"}},
    "with a value of another type": {"RootVolumeConfig": {"VolumeSizeInGb": "200"}},
}


def run() -> str:
    """The table, in Markdown."""
    now = datetime.now(UTC)
    made = SeededEstate(now, per_target=BUILDERS * 2).builders("123456789012", "us-east-1", now)[:BUILDERS]
    bodies = {
        what: json.dumps({"ImageBuilders": [builder | beside for builder in made]}).encode()
        for what, beside in TOLD.items()
    }
    rounds = [{what: _seconds(body) for what, body in bodies.items()} for _ in range(ROUNDS)]
    expected = next(iter(TOLD))
    rows = [
        {
            "a page": what,
            "µs a builder": f"{statistics.median(r[what] for r in rounds) / BUILDERS * 1e6:.1f}",
            "÷ as expected": f"{statistics.median(r[what] / r[expected] for r in rounds):.2f}",
            "wanted": "at most 3" if what == list(TOLD)[1] else "",
        }
        for what in TOLD
    ]
    title = f"Reading a page of {BUILDERS:,} image builders, medians of {ROUNDS} rounds in turns"
    return f"{title}\n\n{to_markdown(rows, is_markup=True)}"


def _seconds(body: bytes) -> float:
    started = time.perf_counter()
    assert len(read_page(body)) == BUILDERS
    return time.perf_counter() - started
