"""What the report asks: its tables, sections, histories and series, by the files of sql/report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline import sql_folder
from pipeline.errors import counted
from pipeline.views.sql_files import comment_and_query

Row = dict[str, Any]

MOST_ROWS = 1000
"""Rows of a table that are listed; the report says how many there are in all."""

COST_DAYS = 30

SHEETS = (
    *("savings", "findings", "running", "excepted"),
    *("cost_by_account", "cost_by_owner", "changes", "coverage", "estate"),
)
"""The tables of the report, files of sql/report, in their order."""

FINDINGS = "findings"
"""The table that is shown in sections, by rule."""

HISTORY = "history"
"""The file of what happened to each image builder."""

BUILDER = "arn"
"""The column by which a row is linked to the history of its image builder; it is not shown."""

_OF_SECTION = ("finding", "severity", "source", "rule", "of_rule")
"""Columns that the rows of a section have in common: they stand above its table, not in it."""

_DAYS = {
    "cost": COST_DAYS,
    "cost_by_account": COST_DAYS,
    "cost_by_owner": COST_DAYS,
    "cost_by_day": COST_DAYS,
    "changes": 7,
    "states_by_day": 60,
}
"""The parameter `$days` of the queries that have it."""


@dataclass(frozen=True)
class Sheet:
    """A table: its title, a sentence on it, its columns and rows; `total` is the number of rows, listed or not.

    The columns that are asked for most often come first, because a phone shows about three at once. `builders` are the
    ARNs of the rows' image builders, None where a row is of none.
    """

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: list[list[Any]]
    total: int
    builders: list[str | None]

    def is_number(self, position: int) -> bool:
        """Whether a column holds numbers; its first rows may be empty."""
        return any(is_number(row[position]) for row in self.rows)


@dataclass(frozen=True)
class Section:
    """The findings of a rule."""

    severity: str
    source: str
    sheet: Sheet


@dataclass(frozen=True)
class Series:
    """The rows of a chart, with its title and a sentence on it."""

    name: str
    title: str
    note: str
    rows: list[Row]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SEVERAL_TIMES = (
    *("coverage", "image_builders_current", "running_spans", "findings", "burn_rate"),
    *("image_builder_changes", "image_builder_history"),
)
"""Views that several queries read whole. Those of which only some days are read are left to DuckDB."""


def work_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Works these views out once, as tables of the connection that stand before them."""
    for name in _SEVERAL_TIMES:
        connection.execute(f"create or replace temp table {name} as from {name}")


def sheet(connection: duckdb.DuckDBPyConnection, name: str, days: int) -> Sheet:
    """A table of the report."""
    title, note, query = _file(name, days)
    answer = connection.sql(query, params=_parameters(name, days)).to_arrow_table()
    builders = answer[BUILDER].to_pylist() if BUILDER in answer.column_names else [None] * answer.num_rows
    if BUILDER in answer.column_names:
        answer = answer.drop_columns([BUILDER])
    # Hide columns that are null in every row.
    answer = answer.select([n for n in answer.column_names if answer[n].null_count < max(1, answer.num_rows)])
    most = answer.num_rows if name == FINDINGS else MOST_ROWS  # Its query lists some of each rule.
    listed = [list(row.values()) for row in answer.slice(0, most).to_pylist()]
    return Sheet(name, title, note, tuple(answer.column_names), listed, answer.num_rows, builders[:most])


def sections(sheet: Sheet) -> list[Section]:
    """The findings by rule, each rule with its rows, as they are ordered; of large ones, with the first rows."""
    places = {name: sheet.columns.index(name) for name in _OF_SECTION if name in sheet.columns}
    found: dict[str, Section] = {}
    shown = tuple(name for name in sheet.columns if name not in places)
    for row, builder in zip(sheet.rows, sheet.builders, strict=True):
        of = {name: row[place] for name, place in places.items()}
        if of["rule"] not in found:
            of_rule = Sheet(sheet.name, of["finding"], "", shown, [], of["of_rule"], [])
            found[of["rule"]] = Section(of["severity"], of.get("source") or "", of_rule)
        of_rule = found[of["rule"]].sheet
        of_rule.rows.append([value for n, value in enumerate(row) if n not in places.values()])
        of_rule.builders.append(builder)
    return list(found.values())


def histories(connection: duckdb.DuckDBPyConnection, wanted: set[str], days: int) -> tuple[Sheet, dict[str, list[Row]]]:
    """The changes of the wanted image builders, by ARN, in the order in which they are listed; and the whole as a sheet
    that has their title and note.
    """
    title, note, query = _file(HISTORY, days)
    by_builder: dict[str, list[Row]] = {}
    for row in connection.sql(query).to_arrow_table().to_pylist():
        if row[BUILDER] in wanted:
            by_builder.setdefault(row[BUILDER], []).append(row)
    return Sheet(HISTORY, title, note, (), [], len(by_builder), []), by_builder


def series(connection: duckdb.DuckDBPyConnection, name: str, days: int) -> Series:
    """The rows of a chart of the report."""
    title, note, query = _file(name, days)
    rows = connection.sql(query, params=_parameters(name, days)).to_arrow_table().to_pylist()
    return Series(name, title, note, rows)


def ask_one(connection: duckdb.DuckDBPyConnection, name: str, days: int = COST_DAYS) -> Row:
    """The row of a query that has one."""
    (row,) = connection.sql(_file(name, days)[2], params=_parameters(name, days)).to_arrow_table().to_pylist()
    return dict(row)


def _parameters(name: str, days: int = COST_DAYS) -> dict[str, int]:
    """The parameter `$days` of a query that has it: no more than there are."""
    return {"days": min(_DAYS[name], days)} if name in _DAYS else {}


def _file(name: str, days: int = COST_DAYS) -> tuple[str, str, str]:
    """The title, the note and the query of a file."""
    text = (sql_folder() / "report" / f"{name}.sql").read_text(encoding="utf-8")
    title, _, rest = text.partition("\n--\n")
    note, query = comment_and_query(rest)
    told = counted(_parameters(name, days).get("days", 0), "day")
    return title.removeprefix("-- "), note.format(days=told), query
