"""A table that a person reads: in a terminal it fits the width and height, elsewhere all of it is there.

Lines that fold are rich's; a table of a line a row is drawn here, ten times as fast, and nothing of rich is
loaded for it that is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import shown
from pipeline.cli.columns import GAP, fitting_widths, total
from pipeline.cli.formats import plain, rows_of
from pipeline.errors import counted

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table as Sheet

AROUND = 6
"""Lines of a terminal that are not rows: the header, the count, the prompt."""

_ELLIPSIS = "…"
_PRICE = re.compile(r"usd|.*usd_per_(hour|gb).*")
_MONEY = re.compile(r"(.*_)?usd(_.*)?")


@dataclass(frozen=True)
class Size:
    """Columns and lines of a terminal."""

    width: int
    height: int


def as_text(table: pa.Table, size: Size | None = None, null: str = "", more: str = "") -> str:
    """A table to read: numbers right-aligned, moments in UTC to the second, amounts in cents.

    Without a size, all of it. With one, what fits: rows from the first, columns from both ends, text cut; the last line
    counts what is left out, and `more` says how to see it. One row is shown as names and values. `null` stands for
    nulls.
    """
    if not table.num_columns:
        return "Done."
    names = table.column_names
    if size and table.num_rows == 1 and table.num_columns > 1:
        (only,) = rows_of(table)
        return _record([(name, cell(name, only[name], null)) for name in names], size)
    rows = min(table.num_rows, max(size.height - AROUND, 10)) if size else table.num_rows
    cells = [[cell(name, row[name], null) for name in names] for row in rows_of(table.slice(0, rows))]
    headers = [shown.terminal(name) for name in names]
    least = [_length(header) for header in headers]
    widths = [max([least[n], 1, *(_length(row[n]) for row in cells)]) for n in range(len(names))]
    if size:
        widths = fitting_widths(widths, least, [_is_cut(f) for f in table.schema], size.width)
    columns = [
        _Column(n, width, _is_number(field)) for n, (field, width) in enumerate(zip(table.schema, widths, strict=True))
    ]
    left_out = widths.count(0)
    if left_out:
        columns[widths.index(0)] = _Column(None, 1, False)
    columns = [column for column in columns if column.width]
    header = _line(headers, columns)
    rule = "─" * total([column.width for column in columns])
    lines = [_bold(header) if size else header, rule, *(_line(row, columns) for row in cells)]
    return "\n".join([*lines, _count(table, rows, left_out, size, more)])


@dataclass(frozen=True)
class _Column:
    """A column as it is drawn: its place in a row, None for the one that stands for those that are left out; its width;
    whether its cells stand at the right.
    """

    place: int | None
    width: int
    is_right: bool


def _line(cells: Sequence[str], columns: Sequence[_Column]) -> str:
    """A row on one line: each cell at its column's width, cut where it is longer."""
    drawn = []
    for column in columns:
        cell = _ELLIPSIS if column.place is None else cells[column.place]
        if (left := column.width - _length(cell)) < 0:
            cell, left = _cut(cell, column.width), 0
        drawn.append(" " * left + cell if column.is_right else cell + " " * left)
    return (" " * GAP).join(drawn).rstrip()


def _cut(cell: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(cell, width - 1) + _ELLIPSIS


def _bold(text: str) -> str:
    import click

    return click.style(text, bold=True)


def folded(table: pa.Table, width: int) -> str:
    """A table of texts of which the last column folds at words, and no other does."""
    from rich.text import Text

    sheet = _sheet()
    for name in table.column_names[:-1]:
        sheet.add_column(Text(shown.terminal(name)), no_wrap=True)
    sheet.add_column(table.column_names[-1], overflow="fold")
    for row in table.to_pylist():
        sheet.add_row(*(Text(cell(name, value)) for name, value in row.items()))
    return drawn(sheet, Size(width, 0))


def _count(table: pa.Table, rows: int, left_out: int, size: Size | None, more: str) -> str:
    parts = [counted(table.num_rows, "row")]
    if rows < table.num_rows:
        parts[0] += f", {rows:,} shown"
    if left_out:
        parts.append(f"{table.num_columns} columns, {table.num_columns - left_out} shown")
    if len(parts) > 1 or rows < table.num_rows:
        parts += [more] * bool(more)
    line = f"({'; '.join(parts)})"
    return line if size is None or len(line) <= size.width else line.replace("; ", ";\n ")


def _record(values: Sequence[tuple[str, str]], size: Size) -> str:
    """One row: a line for each column, its name and its value, which folds."""
    from rich.text import Text

    sheet = _sheet(show_header=False)
    sheet.add_column(no_wrap=True)
    sheet.add_column(overflow="fold")
    for name, value in values:
        sheet.add_row(Text(shown.terminal(name), style="bold"), Text(value))
    return f"{drawn(sheet, size)}\n(1 row)"


def _sheet(show_header: bool = True) -> Sheet:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), show_header=show_header)


def drawn(renderable: Any, size: Size | None) -> str:
    """What rich draws, as text: in a terminal's width, or as wide as it is."""
    from rich.console import Console

    if size:
        console = Console(width=size.width, height=max(size.height, 1))
    else:
        console = Console(width=1_000_000, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _is_number(field: pa.Field) -> bool:
    import pyarrow as pa

    number: bool = (
        pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
    )
    return number


def _is_cut(field: pa.Field) -> bool:
    """Whether a column's cells may be cut: text may; half a number or a moment would be another one."""
    import pyarrow as pa

    return not _is_number(field) and not pa.types.is_temporal(field.type)


def _length(cell: str) -> int:
    """The columns of a terminal that a text takes."""
    if cell.isascii():
        return len(cell)
    from rich.cells import cell_len

    return cell_len(cell)


def cell(name: str, value: Any, null: str = "") -> str:
    if value is None:
        return null
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{'Z' if value.tzinfo else ''}"
    if isinstance(value, float) and _MONEY.fullmatch(name):
        return _price(value) if _PRICE.fullmatch(name) else f"{value:.2f}"
    return shown.terminal(str(plain(value)))


def _price(value: float) -> str:
    """What a unit costs: cents, and of their parts those that are there."""
    whole, _, parts = f"{value:.6f}".partition(".")
    return f"{whole}.{parts[:2]}{parts[2:].rstrip('0')}"
