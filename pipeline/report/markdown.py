"""Rows as Markdown: a table, or bars."""

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


def to_bars(rows: Sequence[dict[str, Any]], width: int = 24) -> str:
    """A table of labels and numbers with a bar for each number; the longest bar has the given width in characters."""
    most = max((float(list(row.values())[1] or 0) for row in rows), default=0.0)
    drawn = []
    for row in rows:
        label, number = row.items()
        length = round(width * float(number[1] or 0) / most) if most else 0
        drawn.append({label[0]: label[1], "": "█" * length, number[0]: number[1]})
    return to_markdown(drawn)
