"""Where an answer goes: to the terminal, a pipe or a file, in the format that was asked for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import shown
from pipeline.cli import fitting, formats
from pipeline.errors import ConfigurationError, counted

if TYPE_CHECKING:
    import pyarrow as pa

WIDE = "--wide shows all"
NULL = "NULL"

_TEXT: dict[str, Callable[[pa.Table], str]] = {
    "csv": formats.as_csv,
    "json": formats.as_json,
    "markdown": formats.as_markdown,
}
_BYTES: dict[str, Callable[[pa.Table], bytes]] = {"xlsx": formats.as_excel, "parquet": formats.as_parquet}
FORMATS = ("table", *_TEXT, *_BYTES)
_SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".xlsx": "xlsx", ".parquet": "parquet"}


@dataclass(frozen=True)
class Output:
    """How an answer was asked for: its format, None where the file's name or the terminal decides; the file, None for
    standard output; whether a terminal shows all of it; whether CSV is for Excel.
    """

    asked: str | None = None
    path: str | None = None
    wide: bool = False
    excel: bool = False

    @property
    def format(self) -> str:
        """One of FORMATS."""
        if self.excel and self.asked is None:
            return "csv"
        return self.asked or _SUFFIXES.get(Path(self.path or "").suffix.lower(), "table")

    def require_possible(self) -> None:
        """Raises ConfigurationError where the answer could not be written, before it is worked out."""
        if self.excel and self.format != "csv":
            raise ConfigurationError(f"--excel is about CSV, and --format is {self.format}: leave one of them out.")
        if self.path is None and self.format in _BYTES:
            raise ConfigurationError(f"--format {self.format} is no text: name a file with --output.")
        if self.path is not None:
            require_folder(Path(self.path))

    def print_rows(self, columns: Sequence[str], rows: Sequence[Sequence[str | None]], folds: bool = False) -> None:
        """Prints rows of text. A table leaves out columns that are null in every row; with `folds`, sentences in the
        last column fold at words in a terminal, and nothing is cut.
        """
        import pyarrow as pa

        is_table = self.format == "table"
        kept = [n for n, _ in enumerate(columns) if not is_table or any(row[n] is not None for row in rows)]
        table = pa.table({columns[n]: pa.array([row[n] for row in rows], pa.string()) for n in kept})
        if is_table and folds and self.path is None and (size := terminal()):
            click.echo(fitting.folded(table, size.width))
        else:
            self.print(table, null="")

    def print_text(self, text: str) -> None:
        """Prints or writes a text."""
        if self.path is None:
            click.echo(text)
        else:
            write(Path(self.path), f"{text}\n".encode())

    def print(self, answer: pa.Table, null: str = NULL) -> None:
        """Prints or writes an Arrow table; `null` stands for nulls in a table."""
        answer = distinct(answer)
        if self.path is not None:
            content = self._content(answer, null)
            write(Path(self.path), content if isinstance(content, bytes) else content.encode())
            tell(f"Wrote {counted(answer.num_rows, 'row')} to {self.path}")
            return
        if self.format == "table" and not self.wide and sys.stdout.isatty():
            click.echo(fitted(answer, null, WIDE))
        else:
            content = self._content(answer, null)
            if isinstance(content, str) and sys.stdout.isatty():
                content = "\n".join(shown.terminal(line) for line in content.split("\n"))
            click.echo(content, nl=False)

    def _content(self, answer: pa.Table, null: str) -> str | bytes:
        if self.format == "table":
            return fitting.as_text(answer, null=null) + "\n"
        if self.excel:
            return formats.as_csv(answer, is_for_excel=True)
        return _BYTES[self.format](answer) if self.format in _BYTES else _TEXT[self.format](answer)


def tell(sentence: object) -> None:
    """Says something on standard error, on one line, whatever AWS or a file had a part in it."""
    click.echo(shown.terminal(shown.capped(str(sentence))), err=True)


def fitted(answer: pa.Table, null: str = "", more: str = "", indent: int = 0) -> str:
    """The answer as a table: what fits in a terminal, less an indent; all elsewhere. `more` says how to see all."""
    size = terminal()
    text = fitting.as_text(answer, size and fitting.Size(size.width - indent, size.height), null, more)
    return click.unstyle(text) if os.environ.get("TERM") == "dumb" else text


def terminal() -> fitting.Size | None:
    """The size of the terminal that standard output is; None where it is none."""
    return fitting.Size(*shutil.get_terminal_size()) if sys.stdout.isatty() else None


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


def require_folder(path: Path) -> None:
    """Raises ConfigurationError for a file that could not be written, before its content is worked out."""
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path} cannot be written: there is no such folder.")


def write(path: Path, content: bytes) -> None:
    """Writes beside the file's place and swaps it in, so that nobody reads half of it. Raises ConfigurationError."""
    beside = path
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # A pipe or a terminal is written to, not replaced.
            return
        target = path.resolve()  # What a link leads to is written, and the link stays.
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        if beside != path:
            beside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
