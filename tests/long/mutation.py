"""Plants one small mistake at a time in a copy of the tree, and asks the tests that should notice whether they do.

`python -m tests.long.mutation [--seed N] [--sample N] [--minutes N]` draws a sample of the mistakes, the same for the
same seed, as many of each folder, and prints a table in Markdown and the mistakes that no test noticed. It exits with 1
where less than 85 % were caught.

Libraries for this know nothing of SQL, which is half of this project; mutmut (3) has besides neither sample nor limit
of time and works inside the tree, cosmic-ray changes the files of the tree itself.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from tests.long import unshrunk
from tests.long.mistakes import Mistake
from tests.long.python_mistakes import python_mistakes
from tests.long.sql_mistakes import sql_mistakes
from tests.long.watching import tests_of

ROOT = Path(__file__).parents[2]
PYTHON = ("pipeline/extract", "pipeline/warehouse", "pipeline/views")
SQL = ("sql/current", "sql/history", "sql/cost", "sql/findings", "sql/internal", "sql/usage")
ENOUGH = 85
"""Percent of the mistakes that tests must catch."""

_SECONDS = 240
"""What runs for longer, four times what the slowest of the tests take, has hung."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/[\w/]+\.py(?:::\w+)*)", re.MULTILINE)

CAUGHT, SURVIVED, TIMED_OUT = "caught", "survived", "timed out"


@dataclass
class Tally:
    """What became of the mistakes of a folder."""

    outcomes: dict[str, int] = field(default_factory=lambda: {CAUGHT: 0, SURVIVED: 0, TIMED_OUT: 0})

    @property
    def planted(self) -> int:
        return sum(self.outcomes.values())

    @property
    def percent(self) -> float:
        return 100 - 100 * self.outcomes[SURVIVED] / max(1, self.planted)

    def row(self, name: str) -> str:
        counts = " | ".join(str(number) for number in self.outcomes.values())
        return f"| {name} | {self.planted} | {counts} | {self.percent:.0f} % |"


class Copy:
    """A copy of the tree, in which mistakes are planted one at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sound: set[str] = set()
        self._ticks = int(time.time()) - 10**8
        shutil.copytree(ROOT, root, ignore=_not_copied)

    def outcome(self, mistake: Mistake) -> str:
        file = self._root / mistake.path
        text = file.read_text(encoding="utf-8")
        self._write(file, mistake.planted(text))
        try:
            failed = self._failed(tests_of(mistake.path))
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            self._write(file, text)
        if failed is None:
            return SURVIVED
        if failed not in self._sound and self._failed([failed]) is not None:
            sys.exit(f"Without any mistake, this fails too: {failed}")
        self._sound.add(failed)
        return CAUGHT

    def _write(self, file: Path, text: str) -> None:
        file.write_text(text, encoding="utf-8")
        self._ticks += 1  # Of two versions of a second and of equal length, Python would take one for the other.
        os.utime(file, (self._ticks, self._ticks))

    def _failed(self, tests: Sequence[str]) -> str | None:
        """The first test that fails; None where all pass. Raises TimeoutExpired."""
        plugins = ("-p", unshrunk.__name__, "-p", "no:cacheprovider")
        options = ("-x", "-q", "-m", "not slow", "--hypothesis-profile", unshrunk.NAME)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *plugins, *options, *tests],
            cwd=self._root,
            env=os.environ | {"PYTHONPATH": str(self._root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # So that what the tests have started ends with them.
        )
        try:
            said, _ = process.communicate(timeout=_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode == 0:
            return None
        found = _FAILED.search(said)
        return found[1] if found else tests[0]


def _not_copied(folder: str, names: list[str]) -> set[str]:
    """What is no part of the tree, but was made in it."""
    made = {"warehouse", "dist"} if Path(folder) == ROOT else set()
    made |= {".git", ".hypothesis", "__pycache__"}
    return {name for name in names if name in made or name.endswith("_cache") or name.startswith(".venv")}


def all_mistakes() -> Iterator[Mistake]:
    for folder in (*PYTHON, *SQL):
        for file in sorted((ROOT / folder).glob("*.py" if folder in PYTHON else "*.sql")):
            find = python_mistakes if folder in PYTHON else sql_mistakes
            path = file.relative_to(ROOT).as_posix()
            yield from find(path, file.read_text(encoding="utf-8")) if tests_of(path) else ()


def drawn(seed: int, number: int) -> list[Mistake]:
    """A sample of the mistakes, of each folder in turn."""
    rng = random.Random(seed)
    by_folder: dict[str, list[Mistake]] = {}
    for mistake in all_mistakes():
        by_folder.setdefault(mistake.folder, []).append(mistake)
    for found in by_folder.values():
        rng.shuffle(found)
    return [mistake for turn in zip_longest(*by_folder.values()) for mistake in turn if mistake][:number]


def run(sample: Sequence[Mistake], minutes: float) -> tuple[dict[str, Tally], list[Mistake]]:
    """What became of the mistakes, by folder, and those that survived; as many as there is time for."""
    until = time.monotonic() + 60 * minutes
    tallies: dict[str, Tally] = {folder: Tally() for folder in (*PYTHON, *SQL)}
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder, "tree"))
        for number, mistake in enumerate(sample, 1):
            if time.monotonic() > until:
                break
            outcome = copy.outcome(mistake)
            print(f"{number} of {len(sample)}, {outcome}: {mistake}", file=sys.stderr, flush=True)
            tallies[mistake.folder].outcomes[outcome] += 1
            if outcome == SURVIVED:
                survivors.append(mistake)
    return {name: tally for name, tally in tallies.items() if tally.planted}, survivors


def report(tallies: dict[str, Tally], survivors: Sequence[Mistake]) -> tuple[str, float]:
    """The table and the list of survivors, in Markdown, and how many percent were caught."""
    total = Tally({name: sum(t.outcomes[name] for t in tallies.values()) for name in (CAUGHT, SURVIVED, TIMED_OUT)})
    lines = [
        "| folder | planted | caught | survived | timed out | noticed |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(tally.row(f"`{name}`") for name, tally in tallies.items()),
        total.row("all"),
    ]
    if survivors:
        lines += ["", "Not noticed:", "", *(f"- {mistake}" for mistake in sorted(survivors))]
    return "\n".join(lines), total.percent


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="which sample is drawn")
    parser.add_argument("--sample", type=int, default=120, help="how many mistakes are planted")
    parser.add_argument("--minutes", type=float, default=30, help="after how many no other is planted")
    asked = parser.parse_args(arguments)
    text, percent = report(*run(drawn(asked.seed, asked.sample), asked.minutes))
    print(text)
    return int(percent < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
