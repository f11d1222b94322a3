"""Charts as SVG pictures: no script and no network, in the font of the page, each mark with what it tells."""

from __future__ import annotations

import re
from typing import Any

import altair as alt
import vl_convert

FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

_MARK = re.compile(r'(<path aria-label="([^"]*)"[^>]*?)/>')


def svg(chart: Any) -> str:
    """An Altair chart as SVG. What a mark's description tells is shown when a mouse rests on it."""
    # Not by Altair's configure(), which drops what was configured before.
    spec = chart.to_dict()
    spec.setdefault("config", {})["font"] = FONT
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=_vegalite_version())
    return str(_MARK.sub(r"\1><title>\2</title></path>", drawn))


def _vegalite_version() -> str:
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
