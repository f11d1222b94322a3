"""The report: one HTML page on the estate, its cost, findings, changes and coverage. It needs no network.

What it says is `queries`' subject, its pictures are `charts`'; how it looks is in report.html.j2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb

from pipeline import __version__, shown, views
from pipeline.errors import WarehouseError, counted, missing_extra
from pipeline.report import queries
from pipeline.report.figures import figures
from pipeline.warehouse import Warehouse
from pipeline.warehouse.scan import first_words
from pipeline.warehouse.storage import as_warehouse_error, committed

FILE = "report.html"
"""The report in the warehouse's folder, which the Dagster asset writes."""

_SENTENCES = ("evidence", "reason", "from_value", "to_value", "last_error_message")
"""Columns that may hold sentences: they wrap."""


def render(warehouse: Warehouse, settings: views.Settings | None = None) -> str:
    """The page. Raises NoSnapshotError before the first snapshot, WarehouseError where the warehouse cannot be read,
    ConfigurationError where the packages of the extra `report` are not installed.
    """
    with _told(warehouse), views.Answers(warehouse, settings) as answers:
        return answers.ask(_render)


def keep(warehouse: Warehouse, answers: views.Answers) -> str:
    """Writes the page into the warehouse, whole or not at all; returns its path. Raises what `render` does."""
    with _told(warehouse):
        page = answers.ask(_render).encode()
    with (
        warehouse.storage.lock(),
        as_warehouse_error("written", warehouse.location),
        committed(warehouse.storage.create(FILE)) as sink,
    ):
        sink.write(page)
    return f"{warehouse.location}/{FILE}"


@contextmanager
def _told(warehouse: Warehouse) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        reason = first_words(error)
        raise WarehouseError(f"The warehouse {warehouse.location} cannot be read: {reason}.") from error


def _render(connection: duckdb.DuckDBPyConnection) -> str:
    try:
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise missing_extra("The report", "report", error) from error
    from pipeline.report import charts

    template = _template()
    queries.work_out(connection)
    counts = queries.ask_one(connection, "figures")
    first, newest = counts["first_look_at"], counts["newest_look_at"]
    days = (newest.date() - first.date()).days + 1
    sheets = [queries.sheet(connection, name, days) for name in queries.SHEETS]
    linked = {builder for sheet in sheets for builder in sheet.builders if builder}
    history, changes = queries.histories(connection, linked, days)
    drawn = (
        charts.states_chart(queries.series(connection, "states_by_day", days)),
        charts.cost_chart(queries.series(connection, "cost_by_day", days)),
    )
    page: str = template.render(
        version=__version__,
        at=_cell(newest),
        period=_period(first, newest),
        snapshots=counted(counts["snapshots"], "snapshot"),
        figures=figures(connection, counts, days),
        charts=[chart for chart in drawn if chart],
        first=sheets[0],
        rules=sheets[1],
        sections=queries.sections(sheets[1]),
        sheets=sheets[2:],
        history=history,
        changes=changes,
        most_rows=queries.MOST_ROWS,
        texts=_SENTENCES,
    )
    return page


def _period(first: datetime, newest: datetime) -> str:
    days = (newest.date() - first.date()).days + 1
    return counted(days, "day") + (f", {first:%Y-%m-%d} to {newest:%Y-%m-%d}" if days > 1 else f", {first:%Y-%m-%d}")


def _anchor(arn: str) -> str:
    """The id of a place in the page; an ARN may hold what an id may not."""
    return f"b-{hashlib.sha256(arn.encode()).hexdigest()[:12]}"


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        # Of every value that the template writes; pictures are markup, and of our own.
        finalize=lambda value: shown.html(value) if type(value) is str else value,
    )
    environment.filters |= {"cell": _cell, "heading": _heading, "anchor": _anchor, "counted": counted}
    environment.filters |= {"is_number": queries.is_number}
    return environment.get_template("report.html.j2")


def _cell(value: Any, column: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if "usd" in column.split("_"):
        return f"{value:,.2f}"
    return f"{value:,}" if queries.is_number(value) else str(value)


def _heading(column: str) -> str:
    words = column.split("_")
    return " ".join({"id": "", "usd": "$", "low": "(least)", "high": "(most)"}.get(w, w) for w in words).strip()
