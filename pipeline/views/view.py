"""A view, and the header that each file of sql/'s view folders begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.contract import HIVE_KEY, IMAGE_BUILDERS, Table
from pipeline.views.sql_files import require

_HEADER = re.compile(
    r"\A-- (?P<purpose>.+?)\n--\n-- Grain: (?P<grain>.+?)\n-- Key: (?P<key>[^\n]+)\n"
    r"(?:-- Not null: (?P<not_null>[^\n]+)\n)?(?:-- Parameters: (?P<parameters>.+?)\n)?"
    r"-- Columns:\n(?P<columns>(?:--   [^\n]+\n)+)\n(?P<query>.+?);?\s*\Z",
    re.DOTALL,
)
_ALL_OF_IMAGE_BUILDERS = f"{IMAGE_BUILDERS.name}.*"


@dataclass(frozen=True)
class View:
    """A view: its group, what it is for, its grain, its columns with a line each, and the query.

    No two rows have the same `key`; columns of `not_null` are never null: a data test is derived from each. A view
    with `parameters` is a table macro. A helper is derived from the contract for other views to read, and is neither an
    asset nor listed.
    """

    name: str
    group: str
    purpose: str
    grain: str
    columns: dict[str, str]
    query: str
    key: tuple[str, ...] = ()
    not_null: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    is_helper: bool = False


def parse(name: str, group: str, text: str) -> View:
    """The view of a file. Raises ViewError when its header is not as CONTRIBUTING.md says."""
    path = f"sql/{group}/{name}.sql"
    match = _HEADER.match(text)
    require(match is not None, path, "the file does not begin with purpose, Grain, Key and Columns (CONTRIBUTING.md)")
    assert match
    columns, adds_all = _columns_of_header(match["columns"], path)
    key = tuple(_names(match["key"]))
    not_null = tuple(_names(match["not_null"]))
    for column in (*key, *not_null):
        require(column in columns, path, f"Key or Not null names {column}, which is no column of the view")
    query = match["query"]
    if adds_all:
        # The query may have more columns than the header: whatever it computed the result from. So it need not name
        # the contract's columns either.
        query = "select\n    " + ",\n    ".join(columns) + f"\nfrom (\n{query}\n) as {name}"
    parameters = tuple(p.split()[0] for p in _names(match["parameters"]))
    return View(
        name, group, _unwrap(match["purpose"]), _unwrap(match["grain"]), columns, query, key, not_null, parameters
    )


def columns_of(table: Table) -> dict[str, str]:
    """The columns of a table as a view of it has them, with their descriptions."""
    return {c.name: c.description for c in table.columns} | {
        HIVE_KEY: "The UTC day on which the snapshot's window began."
    }


def _columns_of_header(lines: str, path: str) -> tuple[dict[str, str], bool]:
    columns: dict[str, str] = {}
    adds_all = False
    column = ""
    for line in lines.splitlines():
        if line.startswith("--     "):
            require(column in columns, path, f"the line '{line}' continues no column")
            columns[column] += " " + line.removeprefix("--").strip()
            continue
        column, _, meaning = line.removeprefix("--").strip().partition(": ")
        if column == _ALL_OF_IMAGE_BUILDERS:
            columns |= columns_of(IMAGE_BUILDERS)
            adds_all = True
        else:
            require(bool(meaning), path, f"the column {column} has no description")
            columns[column] = meaning
    return columns, adds_all


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _unwrap(text: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in text.splitlines()).strip()
