"""Reads the files of sql/: which there are, by folder, and a file's first comment and query."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline import sql_folder
from pipeline.errors import ViewError

INTERNAL = "internal"
"""The folder of what other views are made of."""

GROUPS = ("current", "history", "cost", "findings", "usage", INTERNAL)
"""The folders of views, in the order in which they are listed. A view's folder is its group everywhere."""

_FILE = re.compile(r"\A(?P<comment>(?:--[^\n]*\n)*)\s*(?P<query>.*?);?\s*\Z", re.DOTALL)


def sql_files(folder: str) -> dict[str, Path]:
    """The .sql files of a folder of sql/, by name without the ending, in order."""
    found = sorted((sql_folder() / folder).iterdir(), key=lambda path: path.name)
    return {path.name.removesuffix(".sql"): path for path in found if path.name.endswith(".sql")}


def sql_query(folder: str, name: str) -> str:
    """The query of a file of sql/, without its first comment."""
    return comment_and_query((sql_folder() / folder / f"{name}.sql").read_text(encoding="utf-8"))[1]


def comment_and_query(text: str) -> tuple[str, str]:
    """A file's first comment, as one line, and the query after it; each may be empty."""
    match = _FILE.match(text)
    assert match  # The expression matches any text.
    comment = " ".join(line.removeprefix("--").strip() for line in match["comment"].splitlines())
    return comment.strip(), match["query"]


def require(holds: bool, path: object, problem: str) -> None:
    """Raises ViewError, with the file's path, unless the condition holds."""
    if not holds:
        raise ViewError(f"{path}: {problem}.")
