"""A table that a person reads: in a terminal it fits the width and height, elsewhere all of it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import shown
from pipeline.cli.formats import plain, rows_of
from pipeline.errors import counted

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table as Sheet

LEAST = 8
"""Characters that a column always has, where its cells have as many."""

CUTS = (40, 24, 16)
"""Characters at which text is cut where not all of it fits: the most that lets every column be there, else the last."""

GAP = 2
"""Characters between two columns."""

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
    widths: list[int | None] = [None] * len(names)
    if size:
        headers = [_length(shown.terminal(name)) for name in names]
        natural = [max([headers[n], *(_length(row[n]) for row in cells)]) for n in range(len(names))]
        widths = _fitting(natural, headers, [_is_cut(f) for f in table.schema], size.width)
    sheet = _sheet()
    left_out = widths.count(0)
    first = widths.index(0) if left_out else 0
    for n, (field, width) in enumerate(zip(table.schema, widths, strict=True)):
        if width != 0:
            _column(sheet, field.name, width, _is_number(field))
        elif n == first:
            _column(sheet, _ELLIPSIS, 1, False)
    for row in cells:
        kept = [cell for n, cell in enumerate(row) if widths[n] != 0]
        sheet.add_row(*_texts([*kept[:first], _ELLIPSIS, *kept[first:]] if left_out else kept))
    return f"{drawn(sheet, size)}\n{_count(table, rows, left_out, size, more)}"


def folded(table: pa.Table, width: int) -> str:
    """A table of texts of which the last column folds at words, and no other does."""
    sheet = _sheet()
    for name in table.column_names[:-1]:
        _column(sheet, name, None, False)
    sheet.add_column(table.column_names[-1], overflow="fold")
    for row in table.to_pylist():
        sheet.add_row(*_texts([cell(name, value) for name, value in row.items()]))
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


def _fitting(natural: list[int], headers: list[int], is_cut: list[bool], width: int) -> list[int | None]:
    """Each column's width; 0 where it is left out."""
    if _total(natural) <= width:
        return list(natural)
    for most in CUTS:
        cut = [
            max(header, min(full, most), min(full, LEAST)) if may else full
            for full, header, may in zip(natural, headers, is_cut, strict=True)
        ]
        if _total(cut) <= width:
            return _widened(cut, natural, width)
    kept: list[int] = []
    for n in _from_both_ends(len(cut)):
        if _total([*(cut[k] for k in kept), cut[n], 1]) > width:
            break
        kept.append(n)
    if not kept:
        kept, cut[0] = [0], max(width - GAP - 1, 1)  # A terminal narrower than a single column.
    chosen = sorted(kept)
    widened = _widened([cut[n] for n in chosen], [natural[n] for n in chosen], width - GAP - 1)
    by_place = dict(zip(chosen, widened, strict=True))
    return [by_place.get(n, 0) for n in range(len(cut))]


def _from_both_ends(count: int) -> Iterator[int]:
    """Two places from the left for each from the right: what a table is about tends to stand first."""
    left, right = 0, count - 1
    while left <= right:
        for _ in range(2):
            if left <= right:
                yield left
                left += 1
        if left <= right:
            yield right
            right -= 1


def _widened(cut: list[int], natural: list[int], width: int) -> list[int | None]:
    """What is left of the width goes to the columns that were cut, the first ones first."""
    left = width - _total(cut)
    widened: list[int | None] = []
    for now, full in zip(cut, natural, strict=True):
        more = max(0, min(left, full - now))
        left -= more
        widened.append(now + more)
    return widened


def _total(widths: list[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _sheet(show_header: bool = True) -> Sheet:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), show_header=show_header)


def _column(sheet: Sheet, name: str, width: int | None, is_number: bool) -> None:
    from rich.text import Text

    side: Any = "right" if is_number else "left"
    sheet.add_column(Text(shown.terminal(name)), justify=side, width=width, no_wrap=True, overflow="ellipsis")


def _texts(cells: list[str]) -> list[Any]:
    from rich.text import Text

    return [Text(cell) for cell in cells]


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
