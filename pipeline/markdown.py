"""Rows → a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def to_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table with a column for each key of the first row; `No rows.` when there are none."""
    if not rows:
        return "No rows."
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
