"""The report's charts, drawn by Altair and Vega-Lite as SVG pictures: no script has to run for them, and they print."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt
import vl_convert

from pipeline.report.queries import Row, Series

_WIDTHS = {"wide": 880, "narrow": 330}
"""Pixels: of a screen or a sheet of paper, and of a phone."""

_STATE_COLOURS = {"RUNNING": "#e07b39", "STOPPED": "#8d99ab", "FAILED": "#c0394b"}
_OTHER_COLOURS = ("#2f6fde", "#3a9d6a", "#8a63d2", "#c9a227", "#4aa8b8", "#b06ab3")


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
    states = sorted({str(row["state"]) for row in series.rows}, key=lambda s: (s not in _STATE_COLOURS, s))
    others = itertools.cycle(_OTHER_COLOURS)
    colours = [_STATE_COLOURS.get(state) or next(others) for state in states]
    chart = (
        alt.Chart(_data(series.rows))
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(day):T", title=None),
            y=alt.Y("builders:Q", title="image builders"),
            color=alt.Color("state:N", title=None, scale=alt.Scale(domain=states, range=colours)),
        )
    )
    return _drawn("states", series, chart)


def cost_chart(series: Series) -> Chart | None:
    """Bars of the most and the likely cost, a bar a day, with a line at the least; None without rows."""
    if not series.rows:
        return None
    base = alt.Chart(_data(series.rows)).encode(x=alt.X("yearmonthdate(day):T", title=None))
    most = base.mark_bar(opacity=0.35, color=_OTHER_COLOURS[0]).encode(y=alt.Y("usd_high:Q", title="US dollars"))
    likely = base.mark_bar(color=_OTHER_COLOURS[0]).encode(y=alt.Y("usd_estimate:Q", title="US dollars"))
    least = base.mark_tick(color="#10214a", thickness=2).encode(y=alt.Y("usd_low:Q", title="US dollars"))
    return _drawn("cost", series, most + likely + least)


def _drawn(name: str, series: Series, chart: Any) -> Chart:
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
        pictures[kind] = vl_convert.vegalite_to_svg(drawn.to_json(), vl_version=_vegalite_version())
    return Chart(name, series.title, series.note, pictures)


def _vegalite_version() -> str:
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _data(rows: list[Row]) -> Any:
    make: Any = alt.Data  # Altair leaves it untyped.
    return make(values=[_plain(row) for row in rows])


def _plain(row: Row) -> Row:
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()}
