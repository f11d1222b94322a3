"""Rows as Markdown: a table, or bars."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pipeline import shown


def to_markdown(rows: Sequence[dict[str, Any]], is_markup: bool = False, is_whole: bool = False) -> str:
    """A table with a column for each key of the first row; `No rows.` when there are none.

    The values are text from outside, unless `is_markup` says that they are Markdown of our own. Long ones are capped,
    unless `is_whole`.
    """
    if not rows:
        return "No rows."
    cell = _markup if is_markup else partial(_text, most=None if is_whole else shown.CAP)
    names = [cell(name) for name in rows[0]]
    lines = [names, ["---"] * len(names), *([cell(v) for v in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any, most: int | None) -> str:
    return "" if value is None else shown.markdown(str(value), most)


def _markup(value: Any) -> str:
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
