"""Charts as SVG pictures: no script and no network, in the font of the page, each mark with what it tells."""

from __future__ import annotations

import re
from typing import Any

import vl_convert

FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

_MARK = re.compile(r'(<path aria-label="([^"]*)"[^>]*?)/>')


Spec = dict[str, Any]
"""A chart, or a part of one, as Vega-Lite's JSON has it: https://vega.github.io/vega-lite/docs/."""


def svg(chart: Spec) -> str:
    """A chart as SVG. What a mark's description tells is shown when a mouse rests on it."""
    drawn = vl_convert.vegalite_to_svg(chart | {"config": chart.get("config", {}) | {"font": FONT}})
    return str(_MARK.sub(r"\1><title>\2</title></path>", drawn))
