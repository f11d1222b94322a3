"""The commands that hand the warehouse on: `open`, `report` and `sql`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from pipeline.cli.printing import require_folder, write
from pipeline.cli.progress import waiting
from pipeline.errors import ConfigurationError


@click.command("open")
def open_views() -> None:
    """Open the views in DuckDB's own command line: an interactive shell, read-only, in UTC.

    It is `duckdb` of the PATH, or the one that pip install duckdb-cli puts beside this command.
    """
    from pipeline import views
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse

    environment = process_environment()
    shell = shutil.which("duckdb", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if shell is None:
        raise ConfigurationError(
            "DuckDB's command line is not installed: run pip install duckdb-cli, or put `duckdb` on the PATH."
        )
    path = views.build(Warehouse.of(environment), views.Settings.read(environment))
    if not path:
        raise ConfigurationError(
            f"The warehouse {environment.warehouse} is in an object store, where there is no file of views to open; "
            "`image-builders query` asks it."
        )
    click.echo("`show tables` lists the views, `.exit` leaves.", err=True)
    sys.stderr.flush()
    # It takes this process's place, so that the terminal and Ctrl-C are its own.
    os.execv(shell, [shell, "-readonly", "-cmd", "set TimeZone = 'UTC'", path])


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
    if output != "-":
        require_folder(Path(output))
    with waiting("Asking, and drawing the charts"):
        rendered = page.render(Warehouse.of(environment), views.Settings.read(environment))
    if output == "-":
        click.echo(rendered)
        return
    write(Path(output), rendered.encode())
    click.echo(f"Wrote {output}")


@click.command()
@click.option(
    "--dialect", type=click.Choice(["duckdb", "spark", "trino", "athena"]), required=True, help="Whose SQL to print."
)
def sql(dialect: Any) -> None:
    """Print the statements that create the views in another engine, over the same files.

    Set the session's time zone to UTC before you run them. They may be run again at any time; the first line tells
    whether new days need that.
    """
    from pipeline import views
    from pipeline.defs.process import process_environment
    from pipeline.views import engines
    from pipeline.warehouse import Warehouse

    environment = process_environment()
    warehouse = Warehouse.of(environment)
    statements = engines.script(dialect, warehouse, views.Settings.read(environment))
    click.echo("\n\n".join(f"{statement};" for statement in statements))
