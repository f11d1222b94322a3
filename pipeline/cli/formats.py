"""An answer in the formats that other programs read."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline import shown
from pipeline.errors import ConfigurationError, missing_extra

if TYPE_CHECKING:
    import pyarrow as pa

EXCEL_ROWS = 1_048_575
"""Rows below a header that a sheet of Excel can hold; the file format's limit."""

BATCH = 10_000
"""Rows that are made at once."""

EXCEL_TEXT = 32_767
EXCEL_BEGINS = 1900
EXACT = 2**53
"""Of Excel: characters of a cell, its first year, and the largest whole number that is told exactly."""


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows; decimals, which DuckDB makes of sums of whole numbers, as numbers. Intervals are text, and so are the
    moments of a column that has some which Python has not, infinity or one before the year 1.
    """
    import pyarrow as pa

    table = _told_by_database(table, lambda field: _holds(field.type, pa.types.is_interval))
    try:
        rows = _rows(table)
    except (OverflowError, ValueError):
        beyond = {field.name for field in table.schema if not _is_pythons(table[field.name])}
        rows = _rows(_told_by_database(table, lambda field: field.name in beyond))
    return [{name: _number(value) for name, value in row.items()} for row in rows]


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    # Some at a time: while Arrow makes Python's objects, no other thread runs, not even one that a signal wakes.
    return [row for batch in table.to_batches(max_chunksize=BATCH) for row in batch.to_pylist()]


def _is_pythons(column: pa.ChunkedArray) -> bool:
    try:
        column.to_pylist()
    except (OverflowError, ValueError):
        return False
    return True


def _holds(kind: pa.DataType, which: Callable[[pa.DataType], bool]) -> bool:
    """Whether a type is such a one, or has one within."""
    if which(kind):
        return True
    return any(_holds(kind.field(n).type, which) for n in range(kind.num_fields))


def _told_by_database(table: pa.Table, which: Callable[[pa.Field], bool]) -> pa.Table:
    """The table with some columns as DuckDB writes them, in UTC."""
    import duckdb

    if not any(map(which, table.schema)):
        return table
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("answer", table.rename_columns([f"c{n}" for n in range(table.num_columns)]))
        columns = [f"c{n}{'::varchar' if which(field) else ''} as c{n}" for n, field in enumerate(table.schema)]
        told: pa.Table = connection.sql(f"select {', '.join(columns)} from answer").to_arrow_table()
        return told.rename_columns(table.column_names)


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _number(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_number(each) for each in value]
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def as_csv(table: pa.Table, is_for_excel: bool = False) -> str:
    """RFC 4180 with a header, lines ended by a newline; moments ISO 8601. Null is nothing, an empty text is `""`.

    Texts are as they are, for programs; with `is_for_excel` as a spreadsheet shows them without harm: it knows by the
    byte order mark that it is UTF-8, nothing of it is a formula, and account ids keep all their digits.
    """
    cell = _excel_cell if is_for_excel else _csv_cell
    lines = [table.column_names, *(row.values() for row in rows_of(table))]
    text = "".join(",".join(cell(plain(value)) for value in line) + "\n" for line in lines)
    return f"\ufeff{text}" if is_for_excel else text


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text and not any(c in text for c in ',"\r\n'):
        return text
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def _excel_cell(value: Any) -> str:
    if not isinstance(value, str):
        return _csv_cell(value)
    if value.isascii() and value.isdigit():  # Excel would show 1.23E+11, and lose a zero at the beginning.
        return f'"=""{value}"""'
    return _csv_cell(shown.csv(value))


def as_json(table: pa.Table) -> str:
    """A list of objects; moments are ISO 8601, what is no number or infinite is null. Characters that a terminal would
    heed are escaped.
    """
    text = json.dumps(_finite(rows_of(table)), default=plain, ensure_ascii=False, indent=1, allow_nan=False)
    return "\n".join(line if line.isprintable() else _escaped(line) for line in text.split("\n")) + "\n"


def _escaped(line: str) -> str:
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def as_markdown(table: pa.Table) -> str:
    """A table of GitHub's Markdown, cells as in the terminal."""
    from pipeline.cli.fitting import cell
    from pipeline.report.markdown import to_markdown

    names = table.column_names
    rows = [{name: cell(name, row[name]) for name in names} for row in rows_of(table)]
    return (
        to_markdown(rows, is_whole=True) if rows else to_markdown([dict.fromkeys(names, "")]).rpartition("\n")[0]
    ) + "\n"


def as_parquet(table: pa.Table) -> bytes:
    """One Parquet file with the answer's own types. Raises ConfigurationError for one that Parquet does not have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    try:
        pq.write_table(table, out, compression="zstd")
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigurationError(
            f"The answer cannot be written as Parquet ({reason}): cast that column to text."
        ) from None
    return out.getvalue()


def as_excel(table: pa.Table) -> bytes:
    """A workbook of one sheet: header fixed and with filters, numbers and moments as such, in UTC without a zone. What
    Excel has no number for (a whole one above 2^53, a day before 1900) is text; longer text than it holds is cut.

    Raises ConfigurationError for more rows than a sheet holds, and where the package for it is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise missing_extra("--format xlsx", "excel", error) from error
    if table.num_rows > EXCEL_ROWS:
        raise ConfigurationError(
            f"The answer has {table.num_rows:,} rows and a sheet of Excel holds {EXCEL_ROWS:,}: ask for fewer, or for "
            "--format csv or parquet."
        )
    out = io.BytesIO()
    # Text stays text: what begins with "=" in somebody's description is no formula.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet("answer")
        bold = book.add_format({"bold": True})
        moment, day = (book.add_format({"num_format": f}) for f in ("yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd"))
        sheet.write_row(0, 0, table.column_names, bold)
        for number, row in enumerate(rows_of(table), start=1):
            for place, value in enumerate(row.values()):
                if isinstance(value, datetime) and value.year >= EXCEL_BEGINS:
                    sheet.write_datetime(number, place, value.replace(tzinfo=None), moment)
                elif isinstance(value, date) and value.year >= EXCEL_BEGINS:
                    sheet.write_datetime(number, place, value, day)
                elif isinstance(value, int | float) and abs(value) <= EXACT and math.isfinite(value):
                    sheet.write(number, place, value)
                elif value is not None:
                    sheet.write_string(number, place, str(plain(value))[:EXCEL_TEXT])
        sheet.freeze_panes(1, 0)
        if table.num_columns:
            sheet.autofilter(0, 0, table.num_rows, table.num_columns - 1)
            sheet.autofit()
    return out.getvalue()


def plain(value: Any) -> Any:
    """A value as text, number or truth value: moments ISO 8601, lists and the like as JSON."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | dict):
        return json.dumps(_finite(value), default=plain, ensure_ascii=False)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
