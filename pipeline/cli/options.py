"""Options that several commands have."""

from __future__ import annotations

import click

regions = click.option(
    "--region", "regions", multiple=True, help="A region to look at, in place of the targets file's; repeatable."
)

output_format = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)
