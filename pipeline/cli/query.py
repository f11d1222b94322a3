"""The commands that ask the warehouse: `query`, `report` and `sql`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import options
from pipeline.cli.printing import print_rows, print_table
from pipeline.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from pipeline.settings import Environment


@click.command()
@click.argument("sql", required=False)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@options.output_format
@click.option("--list", "is_list", is_flag=True, help="List the views and the saved questions.")
@click.option("--describe", metavar="VIEW", help="Tell what a view is for, and what each of its columns means.")
def query(
    sql: str | None, parameters: tuple[str, ...], output_format: str, is_list: bool, describe: str | None
) -> None:
    """Ask the views a question in DuckDB's SQL, or a saved one: @NAME, with its parameters, if it takes any.

    Saved questions are .sql files; your own are in ./questions, or where IMAGE_BUILDERS_QUESTIONS says.
    """
    from pipeline import views
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse

    if [sql is not None, is_list, describe is not None].count(True) != 1:
        raise click.UsageError("Give one of: SQL, @NAME of a saved question, --list, --describe VIEW.")
    environment = process_environment()
    if is_list:
        _list(environment, output_format)
    elif describe is not None:
        _describe(describe, output_format)
    else:
        assert sql is not None
        values: dict[str, str | float] = {}
        if parameters and not sql.startswith("@"):
            raise click.UsageError(f"SQL takes no parameters, and {parameters[0]} was given: put the SQL in quotes.")
        if sql.startswith("@"):
            from pipeline.views.questions import question

            saved = question(sql[1:], environment.file("questions"))
            sql, values = saved.query, saved.values(parameters)
        answer = views.query(Warehouse(environment.warehouse), sql, views.Settings.read(environment), values)
        print_table(answer, output_format)


def _list(environment: Environment, output_format: str) -> None:
    from pipeline.views.catalogue import catalogue
    from pipeline.views.generated import TABLES_GROUP
    from pipeline.views.questions import questions
    from pipeline.views.sql_files import GROUPS

    order = [*GROUPS[:-1], TABLES_GROUP, GROUPS[-1]]
    listed = [view for view in catalogue().values() if not view.is_helper]
    rows = [
        (view.group, f"{view.name}({', '.join(view.parameters)})" if view.parameters else view.name, view.purpose)
        for view in sorted(listed, key=lambda view: (order.index(view.group), view.name))
    ]
    saved = questions(environment.file("questions")).values()
    rows += [("questions", f"@{question.name}", question.described) for question in saved]
    print_rows(("group", "name", "what it tells"), rows, output_format)


def _describe(name: str, output_format: str) -> None:
    from pipeline.views.catalogue import catalogue

    known = {name: view for name, view in catalogue().items() if not view.is_helper}
    if name not in known:
        hint = did_you_mean(name, known, "`image-builders query --list` tells which there are.")
        raise ConfigurationError(f"There is no view {name}; {hint}")
    view = known[name]
    if output_format == "table":
        click.echo(f"{view.name}: {view.purpose}\nGrain: {view.grain}\n")
    print_rows(("column", "what it means"), list(view.columns.items()), output_format)


@click.command()
@click.option(
    "--output",
    "-o",
    default="report.html",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The file to write; - for standard output.",
)
def report(output: str) -> None:
    """Write the report: one HTML page on the estate, its coverage, cost, changes and findings. It needs no network."""
    from pipeline import report as page
    from pipeline import views
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse

    environment = process_environment()
    rendered = page.render(Warehouse(environment.warehouse), views.Settings.read(environment))
    if output == "-":
        click.echo(rendered)
        return
    page.write(Path(output), rendered)
    click.echo(f"Wrote {output}")


@click.command()
@click.option("--dialect", type=click.Choice(["spark", "trino"]), required=True, help="Whose SQL to print.")
def sql(dialect: Any) -> None:
    """Print the statements that create the views in another engine, over the same files.

    Set the session's time zone to UTC before you run them.
    """
    from pipeline import views
    from pipeline.defs.process import process_environment
    from pipeline.views import engines
    from pipeline.warehouse import Warehouse

    environment = process_environment()
    warehouse = Warehouse(environment.warehouse)
    warehouse.require_snapshot()
    statements = engines.script(dialect, warehouse, views.Settings.read(environment))
    click.echo("\n\n".join(f"{statement};" for statement in statements))
