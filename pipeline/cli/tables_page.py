"""docs/tables.md, the data dictionary: from the contract and the headers of sql/."""

from __future__ import annotations

from pipeline.contract import HIVE_KEY, TABLES, VERSION, Table
from pipeline.report.markdown import to_markdown
from pipeline.views import View
from pipeline.views.catalogue import views_of_files
from pipeline.views.generated import current_children
from pipeline.views.sql_files import GROUPS

_INTRODUCTION = f"""# Tables and views

Written by `make docs` from `pipeline/contract.py` (version {VERSION}) and the headers of `sql/`.

Every table lies in the warehouse as `<table>/{HIVE_KEY}=YYYY-MM-DD/<snapshot_id>.parquet`, Hive-partitioned by the
UTC day on which the snapshot's window began, and is a view of the same name in `image_builders.duckdb`, where only
committed snapshots show. Moments are UTC, to the microsecond. Account ids are text. Enums are open: a value nobody has
heard of is kept as it is."""


def tables_page() -> str:
    """The whole document."""
    parts = [_INTRODUCTION, "## Tables", *map(_table, TABLES)]
    for group in GROUPS:
        parts.append(f"## Views: {group}")
        parts += [_view(view) for view in views_of_files() if view.group == group]
        if group == "current":
            parts += [_heading(view) + " Columns: as there." for view in current_children()]
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
    return (
        f"### {table.name}\n\n{table.grain} Key: {_code(table.key)}.{exploded}\n\n{to_markdown(rows, is_markup=True)}"
    )


def _view(view: View) -> str:
    rows = [{"column": f"`{name}`", "what it is": meaning} for name, meaning in view.columns.items()]
    return f"{_heading(view)} Key: {_code(view.key)}.\n\n{to_markdown(rows, is_markup=True)}"


def _heading(view: View) -> str:
    signature = f"({', '.join(view.parameters)})" if view.parameters else ""
    return f"### {view.name}{signature}\n\n{view.purpose} Grain: {view.grain}"


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
