"""The command that makes a warehouse smaller: `forget`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from pipeline.cli.progress import waiting
from pipeline.errors import counted


@click.command()
@click.option(
    "--before",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The first day (UTC) whose looks are kept.",
)
@click.option("--account", "accounts", multiple=True, help="Only looks at this account; can be given more than once.")
@click.option("--region", "regions", multiple=True, help="Only looks at this region; can be given more than once.")
@click.option("--dry-run", is_flag=True, help="Tell what would be forgotten, and change nothing.")
def forget(before: datetime, accounts: Sequence[str], regions: Sequence[str], dry_run: bool) -> None:
    """Forget old looks, with all their rows, for good. The newest look at each target stays, whatever its age.

    History, changes and cost begin later then; `image_builders_current` tells the same. The Dagster asset `retention`
    does it by itself, where IMAGE_BUILDERS_KEEP_DAYS is set.
    """
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse
    from pipeline.warehouse.forgetting import forget as forget_looks

    warehouse = Warehouse.of(process_environment())
    with waiting("Looking through old looks" if dry_run else "Forgetting"):
        told = forget_looks(warehouse, before.date(), accounts, regions, dry_run)
    if not told.looks:
        click.echo(f"There is nothing to forget before {before:%Y-%m-%d} in {warehouse.location}.")
        return
    did = "Would forget" if dry_run else "Forgot"
    click.echo(
        f"{did} {counted(told.looks, 'look')} at {counted(told.targets, 'target')}, "
        f"of {told.first} to {told.last}: {counted(told.files_removed, 'file')} removed, "
        f"{counted(told.files_rewritten, 'file')} written anew without them."
    )
