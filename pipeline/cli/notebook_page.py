"""notebooks/explore.ipynb, with what it shows of the sandbox's week."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path("notebooks") / "explore.ipynb"


def shown(path: Path, warehouse: str) -> str:
    """The text of the notebook with its outputs, run from its first cell to its last on a warehouse."""
    import nbformat
    from nbclient import NotebookClient

    notebook: Any = nbformat.read(path, 4)
    before = os.environ.get("IMAGE_BUILDERS_WAREHOUSE")
    os.environ["IMAGE_BUILDERS_WAREHOUSE"] = warehouse
    try:
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    finally:
        os.environ.pop("IMAGE_BUILDERS_WAREHOUSE")
        if before is not None:
            os.environ["IMAGE_BUILDERS_WAREHOUSE"] = before
    # What tells of the run and not of the answers would make every run another file.
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
    }
    return str(nbformat.writes(notebook)) + "\n"
