"""What the report says: its figures, tables and series, asked of the views by the files of sql/report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline import sql_folder
from pipeline.views.sql_files import comment_and_query

Row = dict[str, Any]

MOST_ROWS = 1000
"""Rows of a table that are listed; the report says how many there are in all."""

COST_DAYS = 30

SHEETS = ("findings", "running", "excepted", "cost_by_account", "cost_by_owner", "changes", "coverage", "estate")
"""The tables of the report, files of sql/report, in their order."""

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
class Figure:
    """A number to read at a glance; `name` identifies it to programs."""

    name: str
    title: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table: its title, a sentence on it, its columns and rows; `total` is the number of rows, listed or not.

    The columns that are asked for most often come first, because a phone shows about three at once.
    """

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: list[list[Any]]
    total: int

    def is_number(self, position: int) -> bool:
        """Whether a column holds numbers; its first rows may be empty."""
        return any(is_number(row[position]) for row in self.rows)


@dataclass(frozen=True)
class Series:
    """The rows of a chart, with its title and a sentence on it."""

    name: str
    title: str
    note: str
    rows: list[Row]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def figures(connection: duckdb.DuckDBPyConnection, counts: Row) -> list[Figure]:
    """The figures at the head of the page. `counts` is the row of `figures.sql`."""
    cost = ask_one(connection, "cost")
    usd, bounds = "not known", ""
    if cost["usd_estimate"] is not None:
        usd, bounds = f"${cost['usd_estimate']:,.2f}", f"${cost['usd_low'] or 0:,.2f} – ${cost['usd_high']:,.2f}; "
    unpriced = "all priced"
    if cost["unpriced"]:
        unpriced = f"without {cost['unpriced']:,} builders, {cost['unpriced_hours']:,.0f} hours, of no known price"
    seen = f"{counts['targets_seen']:,} of {counts['targets']:,}"
    return [
        Figure("builders", "Image builders", f"{counts['builders']:,}"),
        Figure("running", "Running", f"{counts['running']:,}", f"{counts['billed']:,} in a state that is billed"),
        Figure("failing", "Findings", f"{counts['failing']:,}", f"{counts['failing_high']:,} of high severity"),
        Figure("unknown", "Unknown", f"{counts['unknown']:,}", "rules that AWS tells too little for"),
        Figure("cost", f"Cost of {COST_DAYS} days", usd, f"{bounds}{unpriced}"),
        Figure(
            "hours",
            f"Hours of {COST_DAYS} days",
            f"{cost['hours_estimate']:,.0f}",
            f"{cost['hours_low']:,.0f} – {cost['hours_high']:,.0f}",
        ),
        Figure("targets", "Targets seen", seen, "accounts and regions"),
    ]


def sheet(connection: duckdb.DuckDBPyConnection, name: str) -> Sheet:
    """A table of the report."""
    title, note, query = _file(name)
    answer = connection.sql(query, params=_parameters(name)).to_arrow_table()
    # Hide columns that are null in every row.
    answer = answer.select([n for n in answer.column_names if answer[n].null_count < max(1, answer.num_rows)])
    rows = answer.slice(0, MOST_ROWS).to_pylist()
    return Sheet(name, title, note, tuple(answer.column_names), [list(row.values()) for row in rows], answer.num_rows)


def series(connection: duckdb.DuckDBPyConnection, name: str) -> Series:
    """The rows of a chart of the report."""
    title, note, query = _file(name)
    return Series(name, title, note, connection.sql(query, params=_parameters(name)).to_arrow_table().to_pylist())


def ask_one(connection: duckdb.DuckDBPyConnection, name: str) -> Row:
    """The row of a query that has one."""
    (row,) = connection.sql(_file(name)[2], params=_parameters(name)).to_arrow_table().to_pylist()
    return dict(row)


def _parameters(name: str) -> dict[str, int]:
    return {"days": _DAYS[name]} if name in _DAYS else {}


def _file(name: str) -> tuple[str, str, str]:
    """The title, the note and the query of a file."""
    text = (sql_folder() / "report" / f"{name}.sql").read_text(encoding="utf-8")
    title, _, rest = text.partition("\n--\n")
    note, query = comment_and_query(rest)
    return title.removeprefix("-- "), note.format(days=_DAYS.get(name)), query
