"""Prints Arrow tables: as a table in the terminal, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pyarrow as pa


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str | None]], output_format: str) -> None:
    """Prints rows of text. A table leaves out columns that are null in every row."""
    import pyarrow as pa

    shown = [n for n, _ in enumerate(columns) if output_format != "table" or any(row[n] is not None for row in rows)]
    print_table(pa.table({columns[n]: pa.array([row[n] for row in rows], pa.string()) for n in shown}), output_format)


def print_table(answer: pa.Table, output_format: str) -> None:
    """Prints an Arrow table as `table`, `csv` or `json`."""
    formatters = {"table": as_text, "csv": as_csv, "json": as_json}
    click.echo(formatters[output_format](distinct(answer)))


def distinct(table: pa.Table) -> pa.Table:
    """The table with columns of the same name, as a join may have them, numbered apart: a, a_1."""
    names: list[str] = []
    for name in table.column_names:
        known, number = name, 0
        while known in names:
            number += 1
            known = f"{name}_{number}"
        names.append(known)
    return table.rename_columns(names)


def as_text(table: pa.Table) -> str:
    """A table to read: numbers right-aligned, moments to the second in UTC, nulls empty.

    In a terminal, long texts fold; in a file or a pipe every row is one line.
    """
    import pyarrow as pa
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    sheet = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for field in table.schema:
        is_number = (
            pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        )
        sheet.add_column(Text(field.name), justify="right" if is_number else "left", overflow="fold")
    for row in table.to_pylist():
        sheet.add_row(*(Text(_cell(value)) for value in row.values()))
    if not console.is_terminal:
        console = Console(width=100_000)
    with console.capture() as capture:
        console.print(sheet)
    lines = (line.rstrip() for line in capture.get().splitlines())
    count = f"({table.num_rows:,} row{'' if table.num_rows == 1 else 's'})"
    return "\n".join([*lines, count]) if table.num_columns else "Done."


def as_csv(table: pa.Table) -> str:
    """RFC 4180, with a header; nulls are empty, moments ISO 8601."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    writer.writerows([_plain(value) for value in row.values()] for row in table.to_pylist())
    return out.getvalue().removesuffix("\r\n")


def as_json(table: pa.Table) -> str:
    """A list of objects; moments are ISO 8601."""
    return json.dumps(table.to_pylist(), default=_plain, ensure_ascii=False, indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return str(value).lower()
    # Text from a server must neither break a line nor control the terminal.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
