"""docs/tables.md, the data dictionary, from the contract and the headers of sql/.

`python -m pipeline.dictionary FILE` writes it, `--check FILE` fails when it is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.contract import HIVE_KEY, TABLES, VERSION, Table
from pipeline.report.markdown import to_markdown
from pipeline.views import database as views


def dictionary() -> str:
    """The whole document."""
    parts = [
        "# Tables and views",
        f"Written by `make docs` from `pipeline/contract.py` (version {VERSION}) and the headers of `sql/`.",
        "Every table lies in the warehouse as "
        f"`<table>/{HIVE_KEY}=YYYY-MM-DD/<snapshot_id>.parquet`, Hive-partitioned by the UTC day on which the "
        "snapshot's window began, and is a view of the same name in `image_builders.duckdb`, where only committed "
        "snapshots show. Moments are UTC, to the microsecond. Account ids are text. Enums are open: a value nobody "
        "has heard of is kept as it is.",
        "## Tables",
        *(_table(t) for t in TABLES),
        "## Views",
        *(_view(v) for v in (*views.of_sql_folder(), *views.of_current_children())),
    ]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rows = [
        {
            "column": f"`{c.name}`",
            "type": str(c.type),
            "null": "" if c.nullable else "never",
            "API member": f"`{c.source}`" if c.source else "",
            "what it is": c.description,
        }
        for c in table.columns
    ]
    exploded = f" Exploded from `{table.explodes}`." if table.explodes else ""
    key = ", ".join(f"`{name}`" for name in table.key)
    return f"### {table.name}\n\n{table.grain} Key: {key}.{exploded}\n\n{to_markdown(rows)}"


def _view(view: views.View) -> str:
    signature = f"({', '.join(view.parameters)})" if view.parameters else ""
    text = f"### {view.name}{signature}\n\n{view.purpose} Grain: {view.grain}"
    if view.name.endswith("_current") and view not in views.of_sql_folder():
        return text + " Columns: as there."
    return text + "\n\n" + to_markdown([{"column": f"`{n}`", "what it is": m} for n, m in view.columns.items()])


def main(arguments: list[str]) -> int:
    checking, path = arguments[0] == "--check", Path(arguments[-1])
    if not checking:
        path.write_text(dictionary(), encoding="utf-8")
    elif path.read_text(encoding="utf-8") != dictionary():
        print(f"{path} is out of date: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
