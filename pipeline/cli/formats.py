"""An answer in the formats that other programs read."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pipeline.errors import missing_extra

if TYPE_CHECKING:
    import pyarrow as pa

EXCEL_ROWS = 1_048_575
"""Rows below a header that a sheet of Excel can hold; the file format's limit."""


def as_csv(table: pa.Table) -> str:
    """RFC 4180 with a header, lines ended by a newline; moments ISO 8601. Null is nothing, an empty text is `""`."""
    lines = [table.column_names, *(row.values() for row in table.to_pylist())]
    return "".join(",".join(_csv_cell(_plain(value)) for value in line) + "\n" for line in lines)


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    if text and not any(c in text for c in ',"\r\n'):
        return text
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def as_json(table: pa.Table) -> str:
    """A list of objects; moments are ISO 8601."""
    return json.dumps(table.to_pylist(), default=_plain, ensure_ascii=False, indent=1) + "\n"


def as_markdown(table: pa.Table) -> str:
    """A table of GitHub's Markdown, cells as in the terminal."""
    from pipeline.cli.fitting import cell
    from pipeline.report.markdown import to_markdown

    names = table.column_names
    rows = [{name: cell(name, row[name]) for name in names} for row in table.to_pylist()]
    return (to_markdown(rows) if rows else to_markdown([dict.fromkeys(names, "")]).rpartition("\n")[0]) + "\n"


def as_parquet(table: pa.Table) -> bytes:
    """One Parquet file with the answer's own types."""
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def as_excel(table: pa.Table) -> bytes:
    """A workbook of one sheet: header fixed and with filters, numbers and moments as such, in UTC without a zone.

    Raises ConfigurationError for more rows than a sheet holds, and where the package for it is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise missing_extra("--format xlsx", "excel", error) from error
    from pipeline.errors import ConfigurationError

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
        for number, row in enumerate(table.to_pylist(), start=1):
            for place, value in enumerate(row.values()):
                if isinstance(value, datetime):
                    sheet.write_datetime(number, place, value.replace(tzinfo=None), moment)
                elif isinstance(value, date):
                    sheet.write_datetime(number, place, value, day)
                elif value is not None:
                    sheet.write(number, place, value if isinstance(value, str | int | float) else str(value))
        sheet.freeze_panes(1, 0)
        if table.num_columns:
            sheet.autofilter(0, 0, table.num_rows, table.num_columns - 1)
            sheet.autofit()
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)
