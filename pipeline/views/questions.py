"""Saved questions: SQL files whose first comment is the question. Those of sql/questions, and the user's own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError, ViewError, did_you_mean
from pipeline.settings.files import NO_FILE, SettingsFile
from pipeline.views.dependencies import reads
from pipeline.views.sql_files import comment_and_query, sql_files
from pipeline.views.view import View

_TELLING = ("cost", "findings", "history", "usage", "current")
"""The groups of views from what says most of a question's subject to what says least."""

_PARAMETER = "-- Parameter:"
_DECLARED = re.compile(r"-- Parameter: (?P<name>[a-z_]+) (?P<kind>text|number) = (?P<default>[^:]+): (?P<meaning>.+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a question, `$name` in its SQL: text or a number, its default, its meaning."""

    name: str
    kind: str
    default: str
    meaning: str

    def value(self, text: str) -> str | float:
        """The value that a user's text stands for. Raises ConfigurationError for a number that is none."""
        if self.kind == "text":
            return text
        if not _NUMBER.fullmatch(text):
            raise ConfigurationError(f"{self.name} is '{text}'; it must be a number, {self.default} for instance.")
        return float(text)


@dataclass(frozen=True)
class Question:
    """A saved question: its name, the question in words, and in SQL; the parameters that it takes."""

    name: str
    text: str
    query: str
    parameters: tuple[Parameter, ...] = ()

    def values(self, given: Sequence[str] = ()) -> dict[str, str | float]:
        """The parameters' values: of `name=value` texts, else the defaults. Raises ConfigurationError."""
        texts: dict[str, str] = {}
        for text in given:
            name, is_given, value = text.partition("=")
            if not is_given:
                raise ConfigurationError(f"'{text}' is no parameter; write NAME=VALUE.")
            if name in texts:
                raise ConfigurationError(f"The parameter {name} is given twice; give it once.")
            texts[name] = value
        known = [parameter.name for parameter in self.parameters]
        for name in texts:
            if name not in known:
                takes = f"takes {', '.join(known)}" if known else "takes none"
                raise ConfigurationError(f"There is no parameter {name}; @{self.name} {takes}.")
        return {p.name: p.value(texts.get(p.name, p.default)) for p in self.parameters}

    def subject(self, known: Mapping[str, View]) -> str:
        """What it is about: of the groups of the views that it reads, the one that says most."""
        try:
            groups = {known[name].group for name in reads(self.query).views if name in known}
        except ViewError:  # DuckDB will say what is wrong with its SQL.
            groups = set()
        return next((group for group in _TELLING if group in groups), _TELLING[-1])

    @property
    def described(self) -> str:
        """The question, with its parameters and their defaults."""
        takes = "; ".join(f"{p.name}={p.default} ({p.meaning})" for p in self.parameters)
        return f"{self.text} Takes {takes}." if takes else self.text


def questions(folder: SettingsFile = NO_FILE) -> dict[str, Question]:
    """The questions by name: those of sql/questions, and those of a folder of the user's, which win.

    Those that cannot be read are left out; `unreadable` tells of them. Raises ConfigurationError for a folder that a
    variable names and that is none.
    """
    found = {}
    for name, path in sorted(_files(folder).items()):
        with contextlib.suppress(ConfigurationError):
            found[name] = read(name, path)
    return found


def unreadable(folder: SettingsFile = NO_FILE) -> Iterator[str]:
    """A sentence on each question that cannot be read."""
    for name, path in sorted(_files(folder).items()):
        try:
            read(name, path)
        except ConfigurationError as error:
            yield str(error)


def _files(folder: SettingsFile) -> dict[str, Path]:
    files = sql_files("questions")
    if folder.path and folder.is_folder():
        files |= {path.stem: path for path in sorted(folder.path.glob("*.sql"))}
    elif folder.variable:
        raise ConfigurationError(f"{folder.variable} names {folder.name}, which is no folder.")
    return files


def question(name: str, folder: SettingsFile = NO_FILE) -> Question:
    """The question of a name. Raises ConfigurationError where there is none, or its file cannot be read."""
    known = _files(folder)
    if name not in known:
        hint = did_you_mean(name, known, "`image-builders query --list` tells which there are.", prefix="@")
        raise ConfigurationError(f"There is no saved question @{name}; {hint}")
    return read(name, known[name])


def read(name: str, path: Path) -> Question:
    """The question of a file. Raises ConfigurationError."""
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} cannot be read: it is no text in UTF-8.") from error
    return parsed(name, content, f"the file {path}")


def parsed(name: str, content: str, source: str) -> Question:
    """The question of a text: its first comment, its parameters, its SQL. `source` is how messages call it.

    Raises ConfigurationError for a text without SQL, and for a parameter that is not declared as it must be.
    """
    query = comment_and_query(content)[1]
    head = content.rpartition(query)[0] if query else content
    text = comment_and_query("".join(line for line in head.splitlines(True) if not line.startswith(_PARAMETER)))[0]
    if not query:
        raise ConfigurationError(f"There is no SQL in {source}.")
    return Question(name, text, query, tuple(_parameters(head, source, query)))


def _parameters(head: str, source: str, query: str) -> Iterator[Parameter]:
    for line in head.splitlines():
        if not line.startswith(_PARAMETER):
            continue
        match = _DECLARED.fullmatch(line)
        if match is None or (match["kind"] == "number" and not _NUMBER.fullmatch(match["default"])):
            raise ConfigurationError(
                f"In {source}, '{line}' declares no parameter; write, for instance, "
                f"'{_PARAMETER} days number = 3: how many days back' or '… name text = a: whose'."
            )
        if not re.search(rf"\${match['name']}\b", query):
            raise ConfigurationError(f"{match['name']} is declared in {source}, and the SQL there has no such $.")
        yield Parameter(match["name"], match["kind"], match["default"], match["meaning"])
