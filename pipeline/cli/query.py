"""The command that asks the warehouse: `query`."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import listing, options
from pipeline.cli.printing import Output
from pipeline.cli.progress import waiting

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.settings import Environment
    from pipeline.views.questions import Question

_AN_OPTION = re.compile(r"--[\w-]*(=|\Z)")


class _TakesComments(click.Command):
    """Takes SQL that begins with a comment as SQL; click would take it for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_sql = [arg.startswith("--") and not _AN_OPTION.match(arg) for arg in args]
        return super().parse_args(ctx, ["\n" * sql + arg for sql, arg in zip(is_sql, args, strict=True)])


@click.command(cls=_TakesComments)
@click.argument("sql", required=False)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--list", "is_list", is_flag=True, help="List the saved questions and the views, by subject.")
@click.option("--all", "is_all", is_flag=True, help="With --list: what other views are made of, too.")
@click.option("--describe", metavar="VIEW", help="Tell what a view is for, and each column's type and meaning.")
@click.option(
    "--timeout", type=click.FloatRange(0.01, 604_800), metavar="SECONDS", help="Give up after so many seconds."
)
@click.option(
    "--unsafe",
    "is_unsafe",
    is_flag=True,
    help="Let the SQL do all that DuckDB can: several statements, other files, COPY, SET, extensions.",
)
@options.output
def query(
    sql: str | None,
    parameters: tuple[str, ...],
    output: Output,
    is_list: bool,
    is_all: bool,
    describe: str | None,
    timeout: float | None,
    is_unsafe: bool,
) -> None:
    """Ask the views a question: in DuckDB's SQL, or @NAME of a saved one, or FILE.sql, or - for standard input.

    A question is one statement that reads: SELECT, DESCRIBE, SUMMARIZE or EXPLAIN. Saved ones are .sql files; your own
    are in ./questions, or where IMAGE_BUILDERS_QUESTIONS says. One, or a file, may take parameters.

    \b
      image-builders query "select name, state from image_builders_current"
      image-builders query @one-builder name=blender-03
      image-builders query cost.sql --output cost.xlsx
    """  # noqa: D301
    from pipeline.defs.process import process_environment

    if sql is None and not is_list and describe is None and sys.stdin is not None and not sys.stdin.isatty():
        sql = sys.stdin.read().strip() or None
    if [sql is not None, is_list, describe is not None].count(True) != 1:
        raise click.UsageError("Give one of: SQL, @NAME of a saved question, FILE.sql, -, --list, --describe VIEW.")
    if timeout is not None and math.isnan(timeout):
        raise click.UsageError("--timeout is no number of seconds.")
    if is_all and not is_list:
        raise click.UsageError("--all goes with --list.")
    environment = process_environment()
    if is_list:
        listing.print_list(environment, output, is_all)
    elif describe is not None:
        listing.print_description(describe, output)
    else:
        assert sql is not None
        output.print(_answer(environment, sql, parameters, timeout, is_unsafe))


def _answer(
    environment: Environment, sql: str, parameters: tuple[str, ...], timeout: float | None, is_unsafe: bool
) -> pa.Table:
    from pipeline import views
    from pipeline.warehouse import Warehouse

    asked = _asked(environment, sql.strip())
    if asked is None and parameters:
        raise click.UsageError(f"SQL takes no parameters, and {parameters[0]} was given: put the SQL in quotes.")
    values: dict[str, Any] = dict(asked.values(parameters)) if asked else {}
    with waiting("Asking"):
        return views.query(
            Warehouse.of(environment),
            asked.query if asked else sql,
            views.Settings.read(environment),
            values,
            timeout,
            is_unsafe,
        )


def _asked(environment: Environment, sql: str) -> Question | None:
    """The question that is no SQL itself: a saved one, one of a file or of standard input; else None."""
    from pipeline.views import questions

    if sql.startswith("@"):
        return questions.question(sql[1:], environment.file("questions"))
    if sql == "-":
        sql = sys.stdin.read() if sys.stdin is not None else ""
        return questions.parsed("-", sql, "standard input")
    if sql.endswith(".sql") and (not re.search(r"\s", sql) or Path(sql).is_file()):
        return questions.read(Path(sql).stem, Path(sql))
    if re.search(r"^-- Parameter:", sql, re.MULTILINE):
        return questions.parsed("-", sql, "the SQL")
    return None
