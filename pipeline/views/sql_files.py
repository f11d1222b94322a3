"""Where sql/ is, in the repository or in an installed package; and how its files are read."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

_FILE = re.compile(r"\A(?P<comment>(?:--[^\n]*\n)*)\s*(?P<query>.*?);?\s*\Z", re.DOTALL)


def sql_folder() -> Traversable:
    """The folder of views, data tests, questions and rules."""
    packaged = resources.files("pipeline") / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


VIEW_FOLDERS = ("current", "history", "cost", "findings", "usage", "internal")
"""The folders of sql/ that hold views, one a subject."""


def sql_files(folder: str) -> dict[str, Traversable]:
    """The .sql files of a folder of sql/, by name without the ending, in order."""
    place = sql_folder() / folder
    return {
        p.name.removesuffix(".sql"): p for p in sorted(place.iterdir(), key=lambda p: p.name) if p.name.endswith(".sql")
    }


def view_files() -> dict[str, Traversable]:
    """The .sql files of all views, by name."""
    return dict(sorted(pair for folder in VIEW_FOLDERS for pair in sql_files(folder).items()))


def comment_and_query(text: str) -> tuple[str, str]:
    """What a file says first, as one line, and the query after it; each may be empty."""
    match = _FILE.match(text)
    assert match  # It matches any text.
    comment = " ".join(line.removeprefix("--").strip() for line in match["comment"].splitlines())
    return comment.strip(), match["query"]
