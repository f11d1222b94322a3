"""Killed at any moment, on a folder and on S3: what was committed is there, what was not is not, the next run mends."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.effort import SEED, often
from tests.support.store import BUCKET, make_bucket

PROGRAM = Path(__file__).parents[1] / "support" / "killed.py"


@pytest.mark.slow
@pytest.mark.parametrize(("where", "kills"), [("folder", often(12, 400)), ("bucket", often(5, 100))])
def test_killed_at_any_moment_nothing_is_torn(
    where: str, kills: int, tmp_path: Path, start_sandbox: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    location = str(tmp_path / "warehouse")
    if where == "bucket":
        make_bucket(start_sandbox())
        location = f"s3://{BUCKET}/warehouse"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", PROGRAM, location, str(kills), str(SEED)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(f"\nkills in a {where}: {figures['kills']}, {figures['torn']} torn")
    assert (figures["torn"], figures["clean"], figures["current"]) == (0, True, True), done.stdout
    assert figures["before"] > 0
