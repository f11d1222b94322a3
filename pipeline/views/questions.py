"""Saved questions: SQL files whose first comment is the question. Those of sql/questions, and the user's own."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.views.sql_files import comment_and_query, sql_files

DEFAULT_FOLDER = "questions"


@dataclass(frozen=True)
class Question:
    """A question that was saved: its name, the question in words, and in SQL."""

    name: str
    text: str
    query: str


def questions(environ: Mapping[str, str] = os.environ) -> dict[str, Question]:
    """The questions by name: those of sql/questions, and those of the folder that IMAGE_BUILDERS_QUESTIONS names, else
    of ./questions if it is there; one's own win. Set to nothing, there are none of one's own.

    Raises ConfigurationError for a folder that is not there, or a file that cannot be read.
    """
    files: dict[str, Traversable | Path] = dict(sql_files("questions"))
    named = environ.get("IMAGE_BUILDERS_QUESTIONS", DEFAULT_FOLDER)
    folder = Path(named)
    if named and folder.is_dir():
        files |= {path.stem: path for path in sorted(folder.glob("*.sql"))}
    elif named not in ("", DEFAULT_FOLDER):
        raise ConfigurationError(f"IMAGE_BUILDERS_QUESTIONS names {named}, which is no folder.")
    return {name: _read(name, files[name]) for name in sorted(files)}


def question(name: str, environ: Mapping[str, str] = os.environ) -> Question:
    """A question. Raises ConfigurationError where there is none of that name."""
    known = questions(environ)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean @{near[0]}?" if near else "`image-builders query --list` tells which there are."
        raise ConfigurationError(f"There is no saved question @{name}; {hint}")
    return known[name]


def _read(name: str, path: Traversable | Path) -> Question:
    try:
        text, query = comment_and_query(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The saved question {path} cannot be read: {error}.") from error
    if not query:
        raise ConfigurationError(f"The saved question {path} has no SQL in it.")
    return Question(name, text, query)
