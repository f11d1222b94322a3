"""Writes the documents that are generated from declarations, or checks that they are up to date.

`python -m pipeline.cli.documents` writes them; `--check` fails when one is out of date, but for docs/questions.md and
the notebook, which take a run of the demo and have tests.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pipeline.cli.notebook_page import NOTEBOOK, shown
from pipeline.cli.questions_page import fill, questions_page
from pipeline.cli.tables_page import tables_page
from pipeline.report.markdown import to_markdown
from pipeline.settings.environment import described

_SETTINGS = """# Settings

Written by `make docs` from `pipeline/settings/environment.py`. Everything is set by environment variables and a few
files. A relative path starts at the working directory, and `~` is the home folder. A default file need not exist; one
that a variable names must.

{table}

Two more things are configured elsewhere:

- `DAGSTER_HOME` is Dagster's instance; the default is `.dagster` beside the warehouse, with telemetry off.
- AWS is configured as boto3 is: profiles, `AWS_PROFILE`, `AWS_*`, endpoints by `AWS_ENDPOINT_URL`.

The files: [targets](targets.md), [findings.yaml and prices.csv](cost-and-findings.md),
[saved questions](views.md#saved-questions), [the executor's](deploy.md)."""


def settings_page() -> str:
    """The whole of docs/settings.md."""
    rows = [
        {"variable": f"`{name}`", "meaning": meaning, "default": default or "none"}
        for name, meaning, default in described()
    ]
    return _SETTINGS.format(table=to_markdown(rows, is_markup=True)) + "\n"


def main(arguments: list[str]) -> int:
    """Writes or checks; returns the exit code."""
    docs = Path("docs")
    pages = {docs / "settings.md": settings_page(), docs / "tables.md": tables_page()}
    if "--check" in arguments:
        outdated = [path for path, page in pages.items() if path.read_text(encoding="utf-8") != page]
        for path in outdated:
            print(f"{path} is out of date: run `make docs`.", file=sys.stderr)
        return int(bool(outdated))
    with tempfile.TemporaryDirectory() as folder:
        week = fill(f"{folder}/warehouse")
        pages[docs / "questions.md"] = questions_page(week)
        pages[NOTEBOOK] = shown(NOTEBOOK, week.location)
    for path, page in pages.items():
        path.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
