"""The commands that write to the warehouse: `snapshot` and `prices`.

Heavy modules are imported by the command that needs them, here and in its neighbours, so that a typing error is told at
once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pipeline import shown
from pipeline.cli import options
from pipeline.cli.printing import tell
from pipeline.cli.progress import ProgressBar

if TYPE_CHECKING:
    from pipeline.defs.runs import Outcome
    from pipeline.extract.sweep import Progress
    from pipeline.settings import Environment

SOME_NOT_SEEN = 3
"""The exit code where something was committed and some targets were not seen."""

MOST_UNPLACED = 10
"""Products of the price list that are told one by one."""

MANY = 100
"""Targets that are listed one by one, whether or not they were seen."""


@click.command()
@options.regions
@click.option("--name", "names", multiple=True, help="Only this image builder (boto3's Names).")
@click.option("--page-size", type=click.IntRange(min=1), help="Image builders to a page (boto3's PageSize).")
@click.option("--max-items", type=click.IntRange(min=1), help="Image builders at most (boto3's MaxItems).")
@click.option("--starting-token", help="Where an earlier listing stopped: its resume_token (boto3's StartingToken).")
def snapshot(
    regions: Sequence[str],
    names: Sequence[str],
    page_size: int | None,
    max_items: int | None,
    starting_token: str | None,
) -> None:
    """Look at every target now, through Dagster, and commit what was seen to the window that is open.

    --region and --name can be given more than once; names, sizes and tokens hold for each target. Tables and views are
    ready when it ends; the checks of the views and the report in the warehouse are made by Dagster's whole job.

    \b
    Exit codes:
      0  every target was seen
      3  committed, but some targets were not seen: their rows of extracts say why
      1  nothing was committed
      2  wrong usage or configuration
    130  interrupted; nothing was committed
    """  # noqa: D301
    from pipeline.defs.process import process_environment, settled
    from pipeline.settings.targets_file import read_targets
    from pipeline.warehouse import Warehouse
    from pipeline.windows import Window

    # One process does it all here, whichever executor runs the steps elsewhere.
    environment = process_environment(without=("executor", "executor_config", "shards"))
    # What is wrong with the settings is reported before anything is started.
    read_targets(environment.file("targets"), environment.tags)
    Warehouse.of(environment).check()
    environment = settled(environment, ask_bucket=True)
    from pipeline.definitions import build_definitions
    from pipeline.defs.runs import run

    config: dict[str, Any] = {"regions": list(regions), "names": list(names)}
    given = {"page_size": page_size, "max_items": max_items, "starting_token": starting_token}
    config |= {name: value for name, value in given.items() if value is not None}
    window = Window.at(environment.window_cadence, datetime.now(UTC))
    with ProgressBar() as report:
        definitions = build_definitions(environment, progress=_terminal_progress(report))
        outcome = run(definitions, environment, window.key, config, only_tables=True)
    for remark in outcome.remarks:
        tell(remark)
    _print_snapshot(environment, outcome)
    if outcome.afterwards:
        tell(outcome.afterwards)
    if outcome.not_seen:
        click.echo(f"{outcome.not_seen} of {outcome.targets} targets were not seen.", err=True)
        sys.exit(SOME_NOT_SEEN)


@click.command()
def prices() -> None:
    """Ask AWS what image builders cost, and keep the answer in the warehouse, through Dagster.

    AWS's price list is the same for everybody; prices of your own go into prices.csv, or where IMAGE_BUILDERS_PRICES
    says, and win.
    """
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse

    environment = process_environment()
    Warehouse.of(environment).check()
    from pipeline.definitions import build_definitions
    from pipeline.defs.runs import run_prices

    count, unplaced = run_prices(build_definitions(environment), environment)
    click.echo(f"Kept {count:,} prices in {environment.warehouse}")
    _print_what_prices_leave_out(environment, unplaced)


def _print_what_prices_leave_out(environment: Environment, unplaced: list[dict[str, str]]) -> None:
    from pipeline import views
    from pipeline.cli import printing
    from pipeline.views.sql_files import sql_query
    from pipeline.warehouse import Warehouse

    if unplaced:
        products = f"{len(unplaced)} products" if len(unplaced) > 1 else "A product"
        click.echo(f"\n{products} of image builders in the list could not be placed:")
    for product in unplaced[:MOST_UNPLACED]:
        click.echo(shown.terminal(f"  {product['sku']} {product['usage']}: {product['why']}"))
    if len(unplaced) > MOST_UNPLACED:
        click.echo(f"  and {len(unplaced) - MOST_UNPLACED} more; Dagster's run lists them all")
    home = Warehouse.of(environment)
    if not home.snapshots():
        return
    without = views.query(home, sql_query("cli", "without_price"), views.Settings.read(environment))
    if without.num_rows:
        click.echo("\nNo price fits these image builders; prices.csv takes prices of your own:\n")
        click.echo(printing.fitted(without))
    else:
        click.echo("Every image builder that is there has a price.")


def _print_snapshot(environment: Environment, outcome: Outcome) -> None:
    import pyarrow.compute as pc

    from pipeline import views
    from pipeline.cli import printing
    from pipeline.views.sql_files import sql_query
    from pipeline.warehouse import Warehouse

    warehouse = Warehouse.of(environment)
    rows = views.query(
        warehouse,
        sql_query("cli", "snapshot"),
        views.Settings.read(environment),
        {"snapshot_id": outcome.snapshot_id},
    )
    if not rows.num_rows:
        _print_replaced(outcome)
        return
    if rows.num_rows > MANY:
        # Of a large organization, only the sum of the targets that were seen.
        seen = rows.filter(pc.and_(pc.equal(rows["status"], "ok"), pc.is_null(rows["later_status"])))
        rows = rows.filter(pc.or_(pc.not_equal(rows["status"], "ok"), pc.is_valid(rows["later_status"])))
        click.echo(f"{seen.num_rows:,} targets seen, {pc.sum(seen['builders']).as_py() or 0:,} image builders")
    always = {"account_id", "region", "status", "complete", "builders", "pages"}
    told = [n for n in rows.column_names if n in always or any(v not in (None, 0) for v in rows[n].to_pylist())]
    click.echo(printing.fitted(rows.select(told)))
    click.echo(f"Committed snapshot {outcome.snapshot_id} to {warehouse.location}")


def _print_replaced(outcome: Outcome) -> None:
    """What a snapshot saw that a later run of its window has replaced before it could be asked."""
    from rich.markdown import Markdown

    from pipeline.cli.fitting import Size, drawn
    from pipeline.cli.printing import terminal

    click.echo(drawn(Markdown(outcome.coverage), terminal() or Size(200, 50)).strip())
    click.echo(
        f"Committed snapshot {outcome.snapshot_id}; a later run of its window has replaced it since, and the newest "
        "holds what either saw."
    )


def _terminal_progress(report: Callable[[Progress], None]) -> Any:
    from pipeline.defs.resources import ProgressResource

    class TerminalProgress(ProgressResource):
        def reporter(self, log: Any) -> Callable[[Progress], None]:
            return report

    return TerminalProgress()
