"""The figures at the head of the report: what a manager asks first."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipeline.errors import counted
from pipeline.report import queries


@dataclass(frozen=True)
class Figure:
    """A number to read at a glance; `name` identifies it to programs."""

    name: str
    title: str
    value: str
    note: str = ""


def figures(connection: duckdb.DuckDBPyConnection, counts: queries.Row, days: int) -> list[Figure]:
    """The figures at the head of the page. `counts` is the row of `figures.sql`, `days` how many the looks span."""
    cost, month = queries.ask_one(connection, "cost", days), queries.ask_one(connection, "month", days)
    saved = queries.sheet(connection, "savings", days)
    return [
        Figure("builders", "Image builders", f"{counts['builders']:,}", _since(counts, "builders")),
        Figure("running", "Running", f"{counts['running']:,}", _since(counts, "running")),
        _month(month),
        _cost(cost, min(days, queries.COST_DAYS)),
        _saved(saved),
        Figure("failing", "Findings", f"{counts['failing']:,}", f"{counts['failing_high']:,} of high severity"),
        Figure("unknown", "Unknown", f"{counts['unknown']:,}", "rules that AWS tells too little for"),
        Figure(
            "hours",
            f"Hours of {counted(min(days, queries.COST_DAYS), 'day')}",
            f"{cost['hours_estimate']:,.0f}",
            f"{cost['hours_low']:,.0f} to {cost['hours_high']:,.0f}",
        ),
        Figure(
            "targets", "Targets seen", f"{counts['targets_seen']:,} of {counts['targets']:,}", "accounts and regions"
        ),
    ]


def dollars(amount: float) -> str:
    """An amount to read at a glance: cents where they mean something."""
    return f"${amount:,.2f}" if abs(amount) < 100 else f"${amount:,.0f}"


def _since(counts: queries.Row, name: str) -> str:
    """How a number has changed since a week ago, or since the first look."""
    if counts["before"] == counts["newest_look_at"]:
        return "the first look"
    change = counts[name] - counts[f"{name}_before"]
    since = f"since {counts['before'].day} {counts['before']:%B}"
    return f"{change:+,} {since}".replace("-", "−") if change else f"as many as {since.removeprefix('since ')}"


def _month(month: queries.Row) -> Figure:
    title = "A month at this rate"
    if not month["usd_per_month"] and month["unpriced"]:
        return Figure("month", title, "not known", f"{counted(month['unpriced'], 'builder')} of no known price")
    note = f"of it {dollars(month['volume_usd_per_month'] or 0)} volumes"
    if month["unpriced"]:
        note += f"; without {counted(month['unpriced'], 'builder')} of no known price"
    return Figure("month", title, dollars(month["usd_per_month"] or 0), note)


def _cost(cost: queries.Row, days: int) -> Figure:
    title = f"Cost of {counted(days, 'day')}"
    unpriced = "all priced"
    if cost["unpriced"]:
        builders = counted(cost["unpriced"], "builder")
        unpriced = f"without {builders}, {counted(round(cost['unpriced_hours']), 'hour')}, of no known price"
    if cost["usd_estimate"] is None:
        return Figure("cost", title, "not known", unpriced)
    bounds = f"{dollars(cost['usd_low'] or 0)} to {dollars(cost['usd_high'])}"
    volumes = f"of it {dollars(cost['volume_usd_estimate'] or 0)} volumes"
    return Figure("cost", title, dollars(cost["usd_estimate"]), f"{bounds}; {volumes}; {unpriced}")


def _saved(saved: queries.Sheet) -> Figure:
    place = saved.columns.index("usd_per_month") if saved.rows else 0
    usd = sum(row[place] or 0 for row in saved.rows)
    titles = {0: "Stopping would save", 1: "Stopping this one would save"}
    which = titles.get(saved.total, f"Stopping these {saved.total} would save")
    names = ", ".join(str(row[saved.columns.index("name")]) for row in saved.rows)
    note = f"a month: {names}" if names else "nothing that has a price has been running for long"
    return Figure("saved", which, dollars(usd), note)
