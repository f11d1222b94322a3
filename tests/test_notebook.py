"""The notebook: it runs from the first cell to the last, and is stored with what it shows of the sandbox's week."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pipeline.cli.notebook_page import NOTEBOOK, shown
from pipeline.report.colours import STATE_COLOURS
from pipeline.warehouse import Warehouse

ROOT = Path(__file__).parent.parent

# The kernel's own sockets and event loop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def outputs(notebook: Any, kind: str) -> list[str]:
    return [
        "".join(output["data"][kind])
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


def test_it_shows_what_it_shows_of_the_week_five_plots_and_five_conclusions(week: Warehouse) -> None:
    stored = (ROOT / NOTEBOOK).read_text(encoding="utf-8")
    assert stored == shown(ROOT / NOTEBOOK, week.location), "run `make docs`"
    notebook = nbformat.reads(stored, 4)
    plots = outputs(notebook, "image/svg+xml")
    assert len(plots) == 5
    for plot in plots:
        assert len(re.findall(r'role="graphics-symbol"[^>]*><title>', plot)) > 2, "bars, each with what it tells"
    assert STATE_COLOURS["RUNNING"] in plots[0]
    said = outputs(notebook, "text/markdown")
    assert len(said) == 5
    assert "eu-west-1 could not be looked at on 2026-11-20 (denied)" in said[0]
