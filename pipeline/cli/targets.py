"""The commands that ask AWS and write nothing: `targets` and `doctor`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.cli import options
from pipeline.cli.printing import Output, tell
from pipeline.cli.progress import ProgressBar
from pipeline.cli.snapshot import SOME_NOT_SEEN
from pipeline.errors import WarehouseError

if TYPE_CHECKING:
    from pipeline.aws import Access
    from pipeline.targets import Plan


@click.command()
@options.regions
@options.output
def targets(regions: Sequence[str], output: Output) -> None:
    """List what a snapshot would look at: every account and region, and the role that is assumed for it."""
    _, plan = _plan(regions)
    columns = ("account_id", "account_name", "region", "partition", "role")
    rows = [
        (t.account_id, t.account_name, t.region, t.partition, " → ".join(r.arn for r in t.roles) or None)
        for t in plan.targets
    ]
    output.print_rows(columns, rows)
    _print_remarks(plan)


@click.command()
@options.regions
@options.output
def doctor(regions: Sequence[str], output: Output) -> None:
    """Check every target: list one image builder in each, and show the identity used. No snapshot is written.

    Of a warehouse in S3 it checks that it can be listed and written, that its store keeps two writers apart, and that
    its bucket ends unfinished uploads.

    \b
    Exit codes:
      0  every target can be looked at
      3  some cannot
      1  AWS does not say whose credentials these are, or which accounts there are; or the warehouse cannot be written
      2  wrong usage or configuration
    """  # noqa: D301
    from pipeline.defs.process import process_environment
    from pipeline.extract import RetryPolicy
    from pipeline.extract.doctor import examine
    from pipeline.extract.limits import LookLimits

    access, plan = _plan(regions)
    with ProgressBar() as report:
        limits = LookLimits(process_environment().look_deadline)
        findings = examine(access, plan, RetryPolicy(retries=1), report, limits)
    columns = ("account_id", "account_name", "region", "identity", "status", "error_code", "error_message")
    rows = [
        (
            f.target.account_id,
            f.target.account_name,
            f.target.region,
            f.identity,
            f.status,
            f.error_code,
            f.error_message,
        )
        for f in findings
    ]
    output.print_rows(columns, rows)
    _print_remarks(plan)
    _examine_store()
    if unwell := sum(not f.is_well for f in findings):
        click.echo(f"{unwell} of {len(findings)} targets cannot be looked at.", err=True)
        sys.exit(SOME_NOT_SEEN)


def _examine_store() -> None:
    """Says what a warehouse in an object store lacks. Raises WarehouseError where it cannot be used as one."""
    from pipeline.defs.process import process_environment
    from pipeline.warehouse import Warehouse
    from pipeline.warehouse.s3_storage import ObjectStorage

    warehouse = Warehouse.of(process_environment())
    if not isinstance(warehouse.storage, ObjectStorage):
        return
    warehouse.check()
    click.echo(
        f"The warehouse {warehouse.location} can be listed and written, and its store heeds conditional puts.", err=True
    )
    try:
        days = warehouse.storage.unfinished_uploads_end_after()
    except WarehouseError as error:
        tell(f"Whether its bucket ends unfinished uploads is not known. {error}")
        return
    if days is None:
        click.echo(
            "Its bucket has no lifecycle rule that aborts unfinished uploads: what a process that died had uploaded of "
            "a large file stays, and costs. Add AbortIncompleteMultipartUpload, as docs/deploy.md shows.",
            err=True,
        )


def _plan(regions: Sequence[str]) -> tuple[Access, Plan]:
    from pipeline.aws import Access, new_session
    from pipeline.defs.process import process_environment
    from pipeline.settings.targets_file import read_targets
    from pipeline.targets import plan
    from pipeline.targets.planning import ACCOUNTS_AT_ONCE

    environment = process_environment()
    access = Access(new_session(), ACCOUNTS_AT_ONCE)
    targets_file = read_targets(environment.file("targets"), environment.tags)
    return access, plan(access, regions, targets_file, environment.look_deadline)


def _print_remarks(plan: Plan) -> None:
    for remark in plan.remarks:
        tell(remark)
