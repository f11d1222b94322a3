"""Saved questions: SQL files whose first comment is the question. Those of sql/questions, and the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from pipeline.errors import ConfigurationError, did_you_mean
from pipeline.settings.files import NO_FILE, SettingsFile
from pipeline.views.sql_files import comment_and_query, sql_files


@dataclass(frozen=True)
class Question:
    """A saved question: its name, the question in words, and in SQL."""

    name: str
    text: str
    query: str


def questions(folder: SettingsFile = NO_FILE) -> dict[str, Question]:
    """The questions by name: those of sql/questions, and those of a folder of the user's, which win.

    Raises ConfigurationError for a folder that a variable names and that is none, or a file that cannot be read.
    """
    files: dict[str, Traversable | Path] = dict(sql_files("questions"))
    if folder.path and folder.is_folder():
        files |= {path.stem: path for path in sorted(folder.path.glob("*.sql"))}
    elif folder.variable:
        raise ConfigurationError(f"{folder.variable} names {folder.name}, which is no folder.")
    return {name: _read(name, files[name]) for name in sorted(files)}


def question(name: str, folder: SettingsFile = NO_FILE) -> Question:
    """The question of a name. Raises ConfigurationError where there is none."""
    known = questions(folder)
    if name not in known:
        hint = did_you_mean(name, known, "`image-builders query --list` tells which there are.", prefix="@")
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
