"""The report's charts, drawn by Altair and Vega-Lite as SVG pictures: no script has to run for them, and they print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt

from pipeline import shown
from pipeline.report.colours import AMOUNTS, STATE_COLOURS, colours_of
from pipeline.report.pictures import svg
from pipeline.report.queries import Row, Series

_WIDTHS = {"wide": 1060, "narrow": 330}
"""Pixels: of a screen or a sheet of paper, and of a phone."""

_LABELS = {"wide": 16, "narrow": 6}
"""Days that have a label, at most: more would run into each other."""

_WIDEST_BAR = 56


@dataclass(frozen=True)
class Chart:
    """A chart: a picture in SVG for each width, a title, and a sentence on it."""

    name: str
    title: str
    note: str
    pictures: dict[str, str]


def states_chart(series: Series) -> Chart | None:
    """Stacked bars of image builders by state, a bar a day; None without rows."""
    if not series.rows:
        return None
    known = list(STATE_COLOURS)
    states = sorted(
        {shown.svg(str(row["state"])) for row in series.rows}, key=lambda s: (known.index(s) if s in known else 99, s)
    )
    rows = [
        row
        | {
            "told": f"{_told(row['day'])}: {row['builders']} {shown.svg(str(row['state']))}",
            "place": states.index(shown.svg(str(row["state"]))),
        }
        for row in series.rows
    ]
    colour = alt.Color("state:N", title=None, scale=alt.Scale(domain=states, range=colours_of(states)))

    def drawn(x: alt.X, bar: int) -> Any:
        return (
            alt.Chart(_data(rows))
            .mark_bar(size=bar, opacity=1)
            .encode(
                x=x,
                y=alt.Y("builders:Q", title="image builders", axis=alt.Axis(tickMinStep=1)),
                color=colour,
                order=alt.Order("place:Q"),
                description=alt.Description("told:N"),
            )
        )

    return _chart("states", series, drawn)


def cost_chart(series: Series) -> Chart | None:
    """For each day a bar up to the most, in it one up to what is likely, and a line at the least; None without rows."""
    if not series.rows:
        return None
    amounts = {"at most": "usd_high", "most likely": "usd_estimate", "at least": "usd_low"}
    rows = [
        {
            "day": row["day"],
            "amount": name,
            "usd": row[column],
            "told": f"{_told(row['day'])}: ${row[column]:,.2f} {name}",
        }
        for name, column in amounts.items()
        for row in series.rows
    ]
    colour = alt.Color(
        "amount:N", title=None, scale=alt.Scale(domain=list(AMOUNTS), range=list(AMOUNTS.values())), sort=list(AMOUNTS)
    )

    def drawn(x: alt.X, bar: int) -> Any:
        base = alt.Chart(_data(rows)).encode(
            x=x,
            y=alt.Y("usd:Q", title="US dollars", stack=None),
            color=colour,
            description=alt.Description("told:N"),
        )
        most = base.transform_filter("datum.amount == 'at most'").mark_bar(size=bar, opacity=1)
        likely = base.transform_filter("datum.amount == 'most likely'").mark_bar(size=round(bar * 0.6), opacity=1)
        # A bar without height is a line, and has the same legend as bars.
        least = base.transform_filter("datum.amount == 'at least'").mark_tick(thickness=3, size=bar, opacity=1)
        return most + likely + least

    return _chart("cost", series, drawn)


def _chart(name: str, series: Series, drawn: Any) -> Chart:
    days = sorted({row["day"] for row in series.rows})
    years = sorted({day.year for day in days})
    pictures = {}
    for kind, width in _WIDTHS.items():
        columns = 3 if kind == "narrow" else 8
        every = -(-len(days) // _LABELS[kind])
        # Bars stand above their days, each a place of its own: on an axis of time they would stand on an edge, and a
        # tomorrow would follow.
        axis = alt.Axis(
            values=[_plain(day) for day in days[::every]],
            labelExpr="timeFormat(toDate(datum.value), '%-d %b')",
            labelAngle=0,
            labelOverlap=False,
            ticks=False,
        )
        x = alt.X("day:O", title=" – ".join(dict.fromkeys([str(years[0]), str(years[-1])])), axis=axis)
        bar = max(2, min(_WIDEST_BAR, round(0.7 * (width - 60) / len(days))))
        picture = (
            drawn(x, bar)
            .properties(
                width=width, height=240, background="transparent", autosize={"type": "fit", "contains": "padding"}
            )
            .configure_view(stroke=None)
            .configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", grid=True)
            .configure_axisX(grid=False)
            .configure_legend(
                orient="bottom",
                columns=columns,
                labelFontSize=12,
                symbolType="square",
                symbolOpacity=1,
            )
        )
        pictures[kind] = svg(picture)
    return Chart(name, series.title, series.note, pictures)


def _told(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _data(rows: list[Row]) -> Any:
    make: Any = alt.Data  # Altair leaves it untyped.
    return make(values=[{k: _plain(v) for k, v in row.items()} for row in rows])


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return shown.svg(value, 200) if isinstance(value, str) else value
