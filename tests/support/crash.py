"""Publishes a copy of a warehouse again and again, each time in a child that is killed one file operation later.

Run by tests/warehouse/test_publish.py: `crash.py WAREHOUSE STREAM STEP`, the rows of `extracts` as JSON on standard
input. Prints a line of JSON for every child. A file operation is what Python's audit hooks tell of (open, mkdir,
rename, remove) and every write to an opened file.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.warehouse import Extracted, Warehouse, local_storage
from pipeline.windows import Window

OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Fuse:
    """Kills this process when it is to do one file operation more than it may."""

    def __init__(self, allowed: int, root: str) -> None:
        self._left, self._root = allowed, root

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and str(arguments[0]).startswith(self._root):
            self.burn()

    def burn(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def publish(root: str, stream: str, rows: list[dict[str, Any]], allowed: int) -> None:
    fuse = Fuse(allowed, root)

    class Writes(io.FileIO):
        def write(self, data: Any) -> int:
            fuse.burn()
            # Half of it is on the disk when the next operation does not come.
            view = memoryview(data).cast("B")
            done = super().write(view[: len(view) // 2]) or 0
            fuse.burn()
            return done + (super().write(view[done:]) or 0)

    local_storage.open = lambda path, mode="r", **_: io.BufferedWriter(Writes(path, mode))  # type: ignore[attr-defined]
    sys.addaudithook(fuse.audit)
    Warehouse(root, grace=0.0).publish(Window.at("daily", NOON), [Extracted(rows, stream)], lambda: NOON)


def main(root: str, stream: str, step: str) -> None:
    rows = json.loads(sys.stdin.readline())
    for row in rows:
        row |= {k: datetime.fromisoformat(row[k]) for k in ("started_at", "observed_at")}
    allowed, ended = 0, False
    while not ended:
        copy = f"{root}-{allowed}"
        shutil.copytree(root, copy)
        child = os.fork()
        if child == 0:
            publish(copy, stream, rows, allowed)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        ended = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        if not killed and not ended:
            sys.exit(f"the child ended with {status}")
        print(json.dumps({"warehouse": copy, "operations": allowed, "killed": killed, "ended": ended}), flush=True)
        allowed += int(step)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(*sys.argv[1:])
