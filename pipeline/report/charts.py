"""The report's charts, drawn by Vega-Lite as SVG pictures: no script has to run for them, and they print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline import shown
from pipeline.report.colours import AMOUNTS, STATE_COLOURS, colours_of
from pipeline.report.pictures import Spec, svg
from pipeline.report.queries import Row, Series

_WIDTHS = {"wide": 1060, "narrow": 330}
"""Pixels: of a screen or a sheet of paper, and of a phone."""

_LABELS = {"wide": 16, "narrow": 6}
"""Days that have a label, at most: more would run into each other."""

_WIDEST_BAR = 56

_CONFIG: Spec = {
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "grid": True},
    "axisX": {"grid": False},
}
_LEGEND: Spec = {"orient": "bottom", "labelFontSize": 12, "symbolType": "square", "symbolOpacity": 1}


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
    colour: Spec = {"field": "state", "type": "nominal", "title": None}
    colour["scale"] = {"domain": states, "range": colours_of(states)}

    def drawn(x: Spec, bar: int) -> Spec:
        return {
            "mark": {"type": "bar", "size": bar, "opacity": 1},
            "encoding": {
                "x": x,
                "y": {
                    "field": "builders",
                    "type": "quantitative",
                    "title": "image builders",
                    "axis": {"tickMinStep": 1},
                },
                "color": colour,
                "order": {"field": "place", "type": "quantitative"},
                "description": {"field": "told", "type": "nominal"},
            },
        }

    return _chart("states", series, rows, drawn)


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
    colour: Spec = {"field": "amount", "type": "nominal", "title": None, "sort": list(AMOUNTS)}
    colour["scale"] = {"domain": list(AMOUNTS), "range": list(AMOUNTS.values())}

    def drawn(x: Spec, bar: int) -> Spec:
        encoding = {
            "x": x,
            "y": {"field": "usd", "type": "quantitative", "title": "US dollars", "stack": None},
            "color": colour,
            "description": {"field": "told", "type": "nominal"},
        }
        marks = {
            "at most": {"type": "bar", "size": bar, "opacity": 1},
            "most likely": {"type": "bar", "size": round(bar * 0.6), "opacity": 1},
            # A bar without height is a line, and has the same legend as bars.
            "at least": {"type": "tick", "thickness": 3, "size": bar, "opacity": 1},
        }
        return {
            "layer": [
                {"mark": mark, "encoding": encoding, "transform": [{"filter": f"datum.amount == '{amount}'"}]}
                for amount, mark in marks.items()
            ]
        }

    return _chart("cost", series, rows, drawn)


def _chart(name: str, series: Series, rows: list[Row], drawn: Callable[[Spec, int], Spec]) -> Chart:
    days = sorted({row["day"] for row in series.rows})
    years = sorted({day.year for day in days})
    pictures = {}
    for kind, width in _WIDTHS.items():
        every = -(-len(days) // _LABELS[kind])
        # Bars stand above their days, each a place of its own: on an axis of time they would stand on an edge, and a
        # tomorrow would follow.
        axis = {
            "values": [_plain(day) for day in days[::every]],
            "labelExpr": "timeFormat(toDate(datum.value), '%-d %b')",
            "labelAngle": 0,
            "labelOverlap": False,
            "ticks": False,
        }
        title = " – ".join(dict.fromkeys([str(years[0]), str(years[-1])]))
        x = {"field": "day", "type": "ordinal", "title": title, "axis": axis}
        bar = max(2, min(_WIDEST_BAR, round(0.7 * (width - 60) / len(days))))
        pictures[kind] = svg(
            drawn(x, bar)
            | {
                "data": {"values": [{key: _plain(value) for key, value in row.items()} for row in rows]},
                "width": width,
                "height": 240,
                "background": "transparent",
                "autosize": {"type": "fit", "contains": "padding"},
                "config": _CONFIG | {"legend": _LEGEND | {"columns": 3 if kind == "narrow" else 8}},
            }
        )
    return Chart(name, series.title, series.note, pictures)


def _told(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return shown.svg(value, 200) if isinstance(value, str) else value
