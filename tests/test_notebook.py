"""The notebook: it runs from the first cell to the last, and is stored without what it showed."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.warehouse import Warehouse

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "explore.ipynb"

# The kernel's own sockets and event loop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_it_runs_and_answers_five_questions_with_plots(week: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_BUILDERS_WAREHOUSE", week.location)
    notebook = nbformat.read(NOTEBOOK, 4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result")
    ]
    plots = [data["image/svg+xml"] for data in shown if "image/svg+xml" in data]
    assert len(plots) == 5
    for plot in plots:
        bars = re.search(r'<g class="mark-rect role-mark[^>]*>(.*?)</g>', plot)
        assert bars
        assert bars[1].count("<path") > 2, "a plot without data"


def test_it_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
