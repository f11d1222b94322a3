"""The command that hands the files on to other formats: `export`."""

from __future__ import annotations

import click

from pipeline.cli import options
from pipeline.cli.printing import Output


@click.command()
@click.argument("format", type=click.Choice(["delta"]))
@options.output
def export(format: str, output: Output) -> None:  # noqa: A002
    """Lay the log of another table format over the committed files: no file is copied, and only what is new is written.

    For Delta, in the warehouse's folder `_delta`, a table each; `pip install '.[delta]'` first. Run it after each
    snapshot: a log may name files that have been joined since it was written.
    """
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse
    from pipeline.warehouse.delta import export_delta

    done = export_delta(Warehouse.of(process_environment()))
    columns = ("table", "version", "added", "removed", "location")
    output.print_rows(columns, [(e.table, str(e.version), str(e.added), str(e.removed), e.location) for e in done])
