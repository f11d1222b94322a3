"""Options that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from pipeline.cli.printing import FORMATS, Output

regions = click.option(
    "--region", "regions", multiple=True, help="A region to look at, in place of the targets file's; repeatable."
)


def output(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options on how an answer is printed; the command gets them as `output`, an Output."""

    @click.option(
        "--format",
        "asked",
        type=click.Choice(FORMATS),
        help="How to print the answer: table, unless the name of --output ends in .csv, .json, .md, .xlsx or .parquet.",
    )
    @click.option("--output", "-o", "path", metavar="FILE", help="Write the answer to a file, whole or not at all.")
    @click.option("--wide", is_flag=True, help="In a terminal, show all rows and columns and whole texts; a pipe does.")
    @click.option(
        "--excel", is_flag=True, help="CSV that Excel reads rightly: in UTF-8, ids whole, and no text is a formula."
    )
    @functools.wraps(command)
    def with_output(*, asked: str | None, path: str | None, wide: bool, excel: bool, **options: Any) -> Any:
        out = Output(asked, None if path == "-" else path, wide, excel)
        out.require_possible()
        return command(output=out, **options)

    return with_output
