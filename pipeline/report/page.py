"""The report: one HTML page that says how the estate is, what it costs and what to look into. It needs no network.

What it tells is asked of the views here; how it looks is report.html.j2's subject. The charts are drawn by Altair and
Vega-Lite, as pictures: no script has to run for them, and they print.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import altair as alt
import duckdb
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import __version__
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.views import database as views
from pipeline.warehouse.storage import told
from pipeline.warehouse.warehouse import Warehouse

FILE = "report.html"
"""The file of the asset's report, in the warehouse's folder."""

MOST_ROWS = 1000
"""Rows of a table that are listed; of more, the report says how many there are."""

_COST_DAYS, _STATE_DAYS, _CHANGE_DAYS = 30, 60, 7
_WIDTHS = {"wide": 880, "narrow": 330}
"""Pixels: of a screen or a page, and of a phone."""
_TEXTS = ("finding", "evidence", "from_value", "to_value", "last_error_message")
"""Columns that may hold sentences: they wrap."""
_STATE_COLOURS = {"RUNNING": "#e07b39", "STOPPED": "#8d99ab", "FAILED": "#c0394b"}
_OTHER_COLOURS = ("#2f6fde", "#3a9d6a", "#8a63d2", "#c9a227", "#4aa8b8", "#b06ab3")

Row = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A number to read at a glance; `name` is by which a program finds it."""

    name: str
    title: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table: its title, a sentence on it, its columns and rows; `total` is how many rows there are.

    What is asked for most often comes first: a phone shows some three columns at once.
    """

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: list[list[Any]]
    total: int

    def is_number(self, place: int) -> bool:
        """Whether a column holds numbers, though its first rows may hold nothing."""
        return any(_is_number(row[place]) for row in self.rows)


@dataclass(frozen=True)
class Chart:
    """A picture in SVG, for each width, and in words."""

    name: str
    title: str
    note: str
    pictures: dict[str, str]


_NEWEST = "(select max(coalesce(later_observed_at, observed_at)) from extracts)"

FIGURES = """
select
    (select count(*) from image_builders_current) as builders,
    (select count(*) from image_builders_current join image_builder_states using (state) where is_billed) as running,
    (select count(*) from coverage where is_configured is distinct from false) as targets,
    (select count(*) from coverage where is_configured is distinct from false and last_status = 'ok') as targets_seen,
    (select count(*) from findings where status = 'fail') as failing,
    (select count(*) from findings where status = 'fail' and severity = 'high') as failing_high,
    (select count(*) from findings where status = 'unknown') as unknown
"""

_USD_LOW = "sum(usd_low + coalesce(volume_usd_low, 0))"
_USD_HIGH = "sum(usd_high + coalesce(volume_usd_high, 0))"

COST = f"""
select
    coalesce(sum(hours_low), 0) as hours_low,
    coalesce(sum(hours_high), 0) as hours_high,
    {_USD_LOW} as usd_low,
    {_USD_HIGH} as usd_high,
    count(distinct case
        when not is_priced or (extra_volume_gb > 0 and usd_per_gb_month is null) then arn
    end) as unpriced
from running_cost where cost_date > cast({_NEWEST} as date) - {_COST_DAYS}
"""

SHEETS: tuple[tuple[str, str, str, str], ...] = (
    (
        "findings",
        "Findings to act on",
        "What fails a rule, the worst first. A rule that AWS tells too little for is unknown, and not listed.",
        """select severity, title as finding, name, owner, evidence, region, account_id
from findings where status = 'fail'
order by case severity when 'high' then 0 when 'medium' then 1 else 2 end, title, account_id, region, name""",
    ),
    (
        "cost_by_account",
        "Running hours and cost by account",
        f"The last {_COST_DAYS} days, instances and root volumes. Between the least and the most lies what happened "
        "between two looks.",
        f"""select account_id, max(account_name) as account_name, round(sum(hours_low), 1) as hours_low,
    round(sum(hours_high), 1) as hours_high, round({_USD_LOW}, 2) as usd_low,
    round({_USD_HIGH}, 2) as usd_high,
    round(sum(case when not is_priced then hours_high else 0 end), 1) as unpriced_hours
from running_cost left join (select account_id, max(account_name) as account_name from coverage group by account_id)
    using (account_id)
where cost_date > cast({_NEWEST} as date) - {_COST_DAYS}
group by account_id order by usd_high desc nulls last, account_id""",
    ),
    (
        "cost_by_owner",
        "Running hours and cost by owner",
        f"The last {_COST_DAYS} days, by the owner that the tags name; empty where they name none.",
        f"""select owner, count(distinct arn) as builders, round(sum(hours_low), 1) as hours_low,
    round(sum(hours_high), 1) as hours_high, round({_USD_LOW}, 2) as usd_low,
    round({_USD_HIGH}, 2) as usd_high,
    round(sum(case when not is_priced then hours_high else 0 end), 1) as unpriced_hours
from running_cost where cost_date > cast({_NEWEST} as date) - {_COST_DAYS}
group by owner order by usd_high desc nulls last, owner""",
    ),
    (
        "changes",
        "Changes of the last days",
        f"The last {_CHANGE_DAYS} days, the newest first; each happened at some time between the two moments. States "
        "are left out: they are above.",
        f"""select changed_at, name, change, field, from_value, to_value, changed_after, region, account_id
from image_builder_changes
where change <> 'first_seen' and field is distinct from 'state'
    and changed_at > {_NEWEST} - interval {_CHANGE_DAYS} day
order by changed_at desc, account_id, region, name, field""",
    ),
    (
        "coverage",
        "Coverage",
        "Every account and region, those that could not be looked at first. A gap is a window without a look that saw.",
        """select account_id, account_name, region, last_status, last_look_at, last_success_at, builders, windows, gaps,
    last_error_message
from coverage where is_configured is distinct from false
order by last_status = 'ok', account_id, region""",
    ),
    (
        "estate",
        "The estate today",
        "Every image builder, as far as we could look.",
        """select b.name, b.state, b.region, b.account_id, o.owner, b.instance_type, b.platform,
    round(s.hours_low, 1) as running_hours_low, round(s.hours_high, 1) as running_hours_high, b.created_time,
    b.observed_at
from image_builders_current as b
left join image_builder_owners as o using (arn)
left join running_spans as s on s.arn = b.arn and s.is_open
order by b.account_id, b.region, b.name""",
    ),
)
"""Name, title, note and query of every table of the report."""

STATES = f"""
select cast(days.day as date) as day, history.state, count(*) as builders
from (
    select unnest(generate_series(
        greatest(cast(min(observed_at) as date), cast({_NEWEST} as date) - {_STATE_DAYS}),
        cast({_NEWEST} as date), interval 1 day
    )) as day
    from extracts
) as days
join image_builder_history as history
    on history.valid_from < cast(days.day as timestamptz) + interval 1 day
    and (history.valid_to is null or history.valid_to >= cast(days.day as timestamptz) + interval 1 day)
join coverage
    on history.account_id = coverage.account_id and history.region = coverage.region
    and days.day <= cast(coverage.last_look_at as date)
group by all order by all
"""

DAILY_COST = f"""
select cost_date as day, {_USD_LOW} as usd_low, {_USD_HIGH} as usd_high
from running_cost where cost_date > cast({_NEWEST} as date) - {_COST_DAYS}
group by all having {_USD_HIGH} is not null order by all
"""


def render(warehouse: Warehouse) -> str:
    """The page. Raises NoSnapshotError before the first snapshot, WarehouseError where the warehouse cannot be read."""
    try:
        return views.insist(lambda: _render(warehouse))
    except duckdb.Error as error:
        reason = views.first_words(error)
        raise WarehouseError(f"The warehouse {warehouse.location} cannot be read: {reason}.") from error


def _render(warehouse: Warehouse) -> str:
    with views.connect(warehouse) as connection:
        (newest,) = _ask(connection, f"select {_NEWEST} as at, (select count(*) from snapshots) as snapshots")
        sheets = [_sheet(connection, *sheet) for sheet in SHEETS]
        page: str = _template().render(
            version=__version__,
            at=_cell(newest["at"]),
            snapshots=newest["snapshots"],
            figures=_figures(connection),
            charts=[chart for chart in (_states(connection), _cost(connection)) if chart],
            sheets=sheets,
            most_rows=MOST_ROWS,
            texts=_TEXTS,
        )
        return page


def write(path: Path, page: str) -> None:
    """Writes the page to a file, whole or not at all. Raises ConfigurationError where it cannot be."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(page, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigurationError(f"The report {path} cannot be written: {error.strerror}.") from error


def keep(warehouse: Warehouse) -> str:
    """Writes the page into the warehouse, whole or not at all; returns its path. Raises WarehouseError."""
    page = render(warehouse).encode()
    with warehouse.storage.lock(), told("written", warehouse.location):
        file = warehouse.storage.create(FILE)
        file.sink.write(page)
        file.commit()
    return f"{warehouse.location}/{FILE}"


def _figures(connection: duckdb.DuckDBPyConnection) -> list[Figure]:
    (f,), (c,) = _ask(connection, FIGURES), _ask(connection, COST)
    cost = "not known" if c["usd_high"] is None else f"${c['usd_low']:,.2f} – ${c['usd_high']:,.2f}"
    unpriced = f"without {c['unpriced']:,} that no price is known of" if c["unpriced"] else "all priced"
    return [
        Figure("builders", "Image builders", f"{f['builders']:,}"),
        Figure("running", "Running", f"{f['running']:,}", "in a state that is billed"),
        Figure("failing", "Findings", f"{f['failing']:,}", f"{f['failing_high']:,} of high severity"),
        Figure("unknown", "Unknown", f"{f['unknown']:,}", "rules that AWS tells too little for"),
        Figure("cost", f"Cost of {_COST_DAYS} days", cost, unpriced),
        Figure("hours", f"Hours of {_COST_DAYS} days", f"{c['hours_low']:,.0f} – {c['hours_high']:,.0f}"),
        Figure("targets", "Targets seen", f"{f['targets_seen']:,} of {f['targets']:,}", "accounts and regions"),
    ]


def _sheet(connection: duckdb.DuckDBPyConnection, name: str, title: str, note: str, sql: str) -> Sheet:
    answer = connection.sql(sql).to_arrow_table()
    # What nobody has, no account a name for one, is no column to look at.
    answer = answer.select([n for n in answer.column_names if answer[n].null_count < max(1, answer.num_rows)])
    rows = answer.slice(0, MOST_ROWS).to_pylist()
    return Sheet(name, title, note, tuple(answer.column_names), [list(row.values()) for row in rows], answer.num_rows)


def _states(connection: duckdb.DuckDBPyConnection) -> Chart | None:
    rows = _ask(connection, STATES)
    if not rows:
        return None
    states = sorted({str(row["state"]) for row in rows}, key=lambda s: (s not in _STATE_COLOURS, s))
    others = itertools.cycle(_OTHER_COLOURS)
    colours = [_STATE_COLOURS.get(state) or next(others) for state in states]
    chart = (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(day):T", title=None),
            y=alt.Y("builders:Q", title="image builders"),
            color=alt.Color("state:N", title=None, scale=alt.Scale(domain=states, range=colours)),
        )
    )
    note = "At the end of each day (UTC), the last as far as it has come. A look that failed changes nothing."
    return _drawn("states", "Image builders by state", note, chart)


def _cost(connection: duckdb.DuckDBPyConnection) -> Chart | None:
    rows = _ask(connection, DAILY_COST)
    if not rows:
        return None
    base = alt.Chart(_data(rows)).encode(x=alt.X("yearmonthdate(day):T", title=None))
    most = base.mark_bar(opacity=0.35, color=_OTHER_COLOURS[0]).encode(y=alt.Y("usd_high:Q", title="US dollars"))
    least = base.mark_bar(color=_OTHER_COLOURS[0]).encode(y=alt.Y("usd_low:Q", title="US dollars"))
    return _drawn(
        "cost",
        "Cost by day",
        "Instances and root volumes, at least (dark) and at most (light); what is unpriced is not in it.",
        most + least,
    )


def _drawn(name: str, title: str, note: str, chart: Any) -> Chart:
    pictures = {}
    for kind, width in _WIDTHS.items():
        drawn = chart.properties(
            width=width, height=220, background="transparent", autosize={"type": "fit", "contains": "padding"}
        )
        drawn = (
            drawn.configure_view(stroke=None)
            .configure_axis(labelFontSize=12, titleFontSize=12)
            .configure_legend(orient="bottom", columns=3 if kind == "narrow" else 8, labelFontSize=12)
        )
        pictures[kind] = vl_convert.vegalite_to_svg(drawn.to_json(), vl_version=_vegalite())
    return Chart(name, title, note, pictures)


def _vegalite() -> str:
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _ask(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    rows: list[Row] = connection.sql(sql).to_arrow_table().to_pylist()
    return rows


def _data(rows: list[Row]) -> Any:
    return alt.Data(values=[_plain(row) for row in rows])  # type: ignore[no-untyped-call]


def _plain(row: Row) -> Row:
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()}


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("pipeline.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"cell": _cell, "heading": _heading, "is_number": _is_number}
    return environment.get_template("report.html.j2")


def _cell(value: Any, column: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if column.startswith("usd"):
        return f"{value:,.2f}"
    return f"{value:,}" if _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _heading(column: str) -> str:
    words: Sequence[str] = column.split("_")
    return " ".join({"id": "", "usd": "$", "low": "(least)", "high": "(most)"}.get(w, w) for w in words).strip()
