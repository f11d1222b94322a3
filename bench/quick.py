"""How soon the commands are at hand, beside processes that only import what they must, and make the same calls.

Each contender is a process of its own, started in turns on one sandbox.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline.report.markdown import to_markdown
from pipeline.sandbox.server import Sandbox

ROUNDS = 5
REGION = "us-east-1"
_BIN = Path(sys.executable).parent
_CALLS = "boto3.client('appstream').describe_image_builders(); boto3.client('sts').get_caller_identity()"
_JOB = ("dg", "launch", "--assets", "*", "--partition")
TOLD = (
    ('image-builders query "select 1"', "import duckdb, pyarrow", 2.0),
    (f"image-builders snapshot --region {REGION}", f"import dagster, boto3; {_CALLS}", 2.0),
)
"""A command, what is imported beside it, and how many times as long it may take."""

SECONDS = (("dg launch of the whole job", 10.0), ("dg check defs", 3.0))


def run(folder: Path) -> str:
    """The table, in Markdown."""
    with Sandbox() as sandbox:
        environ = {name: value for name, value in os.environ.items() if name not in sandbox.unset} | sandbox.environment
        environ |= {
            "IMAGE_BUILDERS_WAREHOUSE": str(folder / "warehouse"),
            "DAGSTER_HOME": str(folder / "dagster"),
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(folder / "without"),
        }
        # What is installed for the benchmarks and the tests alone: Arrow loads pandas wherever it is.
        (folder / "without").mkdir()
        (folder / "without" / "pandas.py").write_text("raise ImportError\n")
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        rows = []
        # The first of each makes what the others find: Dagster's instance, the tables, the file of views.
        for command, imported, wanted in TOLD[::-1]:
            own = ["bash", "-c", f"{_BIN}/{command}"]
            of_window = "snapshot" in command
            pairs = [
                (_seconds(environ, own, of_window), _seconds(environ, [sys.executable, "-c", imported]))
                for _ in range(ROUNDS + 1)
            ][1:]
            rows.append(
                _row(
                    command,
                    [a for a, _ in pairs],
                    f"`{imported.partition(';')[0]}`{' and the calls' * (';' in imported)}",
                    [b for _, b in pairs],
                    f"at most {wanted} ×",
                )
            )
        for (what, wanted), timed in zip(
            SECONDS, ([str(_BIN / _JOB[0]), *_JOB[1:], today], [str(_BIN / "dg"), "check", "defs"]), strict=True
        ):
            taken = [_seconds(environ, timed, today in timed) for _ in range(ROUNDS + 1)][1:]
            beside = [_seconds(environ, [sys.executable, "-c", "import dagster"]) for _ in taken]
            rows.append(_row(what, taken, "`import dagster`", beside, f"at most {wanted:.0f} s"))
    return f"How soon commands are at hand, medians of {ROUNDS} processes each\n\n{to_markdown(rows, is_markup=True)}"


def _row(what: str, ours: list[float], beside: str, theirs: list[float], wanted: str) -> dict[str, str]:
    return {
        "what": what,
        "seconds": f"{statistics.median(ours):.2f}",
        "beside": beside,
        "its seconds": f"{statistics.median(theirs):.2f}",
        "÷": f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}",
        "wanted": wanted,
    }


def _seconds(environ: dict[str, str], command: list[str], is_first_of_window: bool = False) -> float:
    if is_first_of_window:
        # A window's second run waits a second for readers of the snapshot that it replaces; a schedule has none.
        for path in Path(environ["IMAGE_BUILDERS_WAREHOUSE"]).glob("*/"):
            shutil.rmtree(path)
    started = time.perf_counter()
    subprocess.run(command, env=environ, check=True, capture_output=True, cwd=Path(__file__).parent.parent)
    return time.perf_counter() - started
