"""The command line. What a command does, other modules do; here it is asked and told.

Heavy modules are imported by the command that needs them, so that a typing error is told at once.
"""

from __future__ import annotations

import atexit
import difflib
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline import __version__
from pipeline.defs.instance import warehouse_location
from pipeline.errors import ConfigurationError, ImageBuildersError

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.aws.credentials import Access
    from pipeline.extract.sweep import Progress
    from pipeline.sandbox.server import Sandbox
    from pipeline.targets.planning import Plan

SOME_NOT_SEEN = 3
MANY = 100
"""Targets that `snapshot` lists one by one, whether or not they were seen."""
INTERRUPTED = 130
ENVIRONMENT = """\b
Settings are environment variables:
  IMAGE_BUILDERS_WAREHOUSE  the warehouse, a folder or s3:// URI  [warehouse]
  IMAGE_BUILDERS_TARGETS    the targets file  [targets.yaml if it is there]
  IMAGE_BUILDERS_CADENCE    daily or hourly windows  [daily]
  IMAGE_BUILDERS_TAGS       on: the image builders' tags are asked for too  [off]
  IMAGE_BUILDERS_FINDINGS   rules and thresholds  [findings.yaml if it is there]
  IMAGE_BUILDERS_PRICES     prices of your own, a CSV file  [prices.csv if it is there]
  IMAGE_BUILDERS_QUESTIONS  a folder of saved questions  [questions if it is there]
  IMAGE_BUILDERS_SLACK_WEBHOOK, IMAGE_BUILDERS_WEBHOOK  where Dagster's sensor tells what is wrong
  IMAGE_BUILDERS_ALERT_SEVERITY  low, medium or high: from which findings are told  [low]
  IMAGE_BUILDERS_SCHEDULE   on: Dagster's schedules run by themselves  [off]
  IMAGE_BUILDERS_EXECUTOR   in_process, multiprocess, celery or k8s  [in_process]
  IMAGE_BUILDERS_EXECUTOR_CONFIG  the executor's settings, a YAML file
  IMAGE_BUILDERS_SHARDS     steps that a run's targets are split into  [1]
  DAGSTER_HOME              Dagster's instance  [.dagster beside the warehouse]
  AWS_*                     boto3's own: profile, region, credentials, endpoint
"""


class _Commands(click.Group):
    """Tells errors that have a sentence for the user in that sentence, with their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        if threading.current_thread() is threading.main_thread():
            # As Ctrl-C: whatever has its own way of being interrupted, Dagster for one, has it for both.
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                # So a shell starts its background jobs; SIGTERM would be ignored with it.
                signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except ImageBuildersError as error:
            click.echo(f"image-builders: {error}", err=True)
            if error.exit_code == INTERRUPTED:
                _leave()
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("image-builders: Interrupted.", err=True)
            _leave()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            click.echo("image-builders: There is no room left to write to.", err=True)
            ctx.exit(1)


def _leave() -> NoReturn:
    """Ends an interrupted process at once: threads of its sweep may wait for AWS for a minute yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def program() -> None:
    """The installed command: `main`, after which the process ends without the interpreter being taken apart.

    Libraries that find objects of theirs alive then, DuckDB for one, fill standard error with what they think leaked.
    """
    exit_code = 1  # Of a traceback.

    def leave() -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # Nobody reads on, or the disk is full; the interpreter has an exit code for that.
        os._exit(exit_code)

    atexit.register(leave)  # What is registered first is called last: all others clean up before.
    try:
        main()
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        raise


@click.group(cls=_Commands, epilog=ENVIRONMENT, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="image-builders")
def main() -> None:
    """The warehouse of AWS AppStream 2.0 image builders: snapshots as Parquet, answers in SQL."""


_regions = click.option(
    "--region", "regions", multiple=True, help="A region to look at, in place of the targets file's; repeatable."
)
_form = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)


@main.command()
@_regions
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
    from pipeline.settings import targets_file
    from pipeline.warehouse.storage import open_storage
    from pipeline.windows import Window, cadence_of

    cadence = cadence_of(os.environ.get("IMAGE_BUILDERS_CADENCE"))
    targets_file.read_file()  # What is wrong with it is told before anything is started.
    open_storage(warehouse_location()).check()
    from pipeline.definitions import build_definitions
    from pipeline.defs.runs import run

    config: dict[str, Any] = {"regions": list(regions), "names": list(names)}
    options = {"page_size": page_size, "max_items": max_items, "starting_token": starting_token}
    config |= {name: value for name, value in options.items() if value is not None}
    window = Window.at(cadence, datetime.now(UTC))
    with _ProgressBar() as report:
        # One process does it all here, whatever runs the steps elsewhere.
        elsewhere = ("IMAGE_BUILDERS_EXECUTOR", "IMAGE_BUILDERS_SHARDS")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
        definitions = build_definitions(environ, progress=_terminal_progress(report))
        outcome = run(definitions, window.key, config, warehouse_location(), only_tables=True)
    for remark in outcome.remarks:
        click.echo(remark, err=True)
    _tell_snapshot(outcome.snapshot_id)
    if outcome.afterwards:
        click.echo(outcome.afterwards, err=True)
    if outcome.not_seen:
        click.echo(f"{outcome.not_seen} of {outcome.targets} targets were not seen.", err=True)
        sys.exit(SOME_NOT_SEEN)


@main.command()
@_regions
@_form
def targets(regions: Sequence[str], form: str) -> None:
    """List what a snapshot would look at: every account and region, and the role that is assumed for it."""
    _, plan = _plan(regions)
    columns = ("account_id", "account_name", "region", "partition", "role")
    rows = [
        (t.account_id, t.account_name, t.region, t.partition, " → ".join(r.arn for r in t.roles) or None)
        for t in plan.targets
    ]
    _print_rows(columns, rows, form)
    _tell_remarks(plan)


@main.command()
@_regions
@_form
def doctor(regions: Sequence[str], form: str) -> None:
    """Ask every target for one image builder, and say as whom, before anything is written.

    \b
    Exit codes:
      0  every target can be looked at
      3  some cannot
      1  AWS does not say whose credentials these are, or which accounts there are
      2  wrong usage or configuration
    """  # noqa: D301
    from pipeline.extract.doctor import examine
    from pipeline.extract.look import Patience

    access, plan = _plan(regions)
    with _ProgressBar() as report:
        findings = examine(access, plan, Patience(retries=1), report)
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
    _print_rows(columns, rows, form)
    _tell_remarks(plan)
    if unwell := sum(not f.is_well for f in findings):
        click.echo(f"{unwell} of {len(findings)} targets cannot be looked at.", err=True)
        sys.exit(SOME_NOT_SEEN)


@main.command()
@click.argument("sql", required=False)
@_form
@click.option("--list", "is_list", is_flag=True, help="List the views and the saved questions.")
@click.option("--describe", metavar="VIEW", help="Tell what a view is for, and what each of its columns means.")
def query(sql: str | None, form: str, is_list: bool, describe: str | None) -> None:
    """Ask the views a question in DuckDB's SQL, or a saved one: @NAME.

    Saved questions are .sql files; your own are in ./questions, or where IMAGE_BUILDERS_QUESTIONS says.
    """
    from pipeline.views import database as views
    from pipeline.warehouse.warehouse import Warehouse

    if [sql is not None, is_list, describe is not None].count(True) != 1:
        raise click.UsageError("Give one of: SQL, @NAME of a saved question, --list, --describe VIEW.")
    if is_list:
        _list(form)
    elif describe is not None:
        _describe(describe, form)
    else:
        assert sql is not None
        if sql.startswith("@"):
            from pipeline.views.questions import question

            sql = question(sql[1:]).query
        _print(views.query(Warehouse(warehouse_location()), sql), form)


def _list(form: str) -> None:
    from pipeline.views import database as views
    from pipeline.views.questions import questions

    rows = [(f"{v.name}({', '.join(v.parameters)})" if v.parameters else v.name, v.purpose) for v in views.all_views()]
    rows += [(f"@{question.name}", question.text) for question in questions().values()]
    _print_rows(("name", "what it tells"), rows, form)


def _describe(name: str, form: str) -> None:
    from pipeline.views import database as views

    known = {view.name: view for view in views.all_views()}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "`image-builders query --list` tells which there are."
        raise ConfigurationError(f"There is no view {name}; {hint}")
    view = known[name]
    if form == "table":
        click.echo(f"{view.name}: {view.purpose}\nGrain: {view.grain}\n")
    _print_rows(("column", "what it means"), list(view.columns.items()), form)


@main.command()
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
    from pipeline.report import page
    from pipeline.warehouse.warehouse import Warehouse

    made = page.render(Warehouse(warehouse_location()))
    if output == "-":
        click.echo(made)
        return
    page.write(Path(output), made)
    click.echo(f"Wrote {output}")


@main.command()
def prices() -> None:
    """Ask AWS what image builders cost, and keep the answer in the warehouse, through Dagster.

    AWS's price list is the same for everybody; prices of your own go into prices.csv, or where IMAGE_BUILDERS_PRICES
    says, and win.
    """
    from pipeline.warehouse.storage import open_storage

    open_storage(warehouse_location()).check()
    from pipeline.definitions import build_definitions
    from pipeline.defs.runs import run_prices

    count = run_prices(build_definitions(), warehouse_location())
    click.echo(f"Kept {count:,} prices in {warehouse_location()}")


@main.command()
@click.option("--dialect", type=click.Choice(["spark", "trino"]), required=True, help="Whose SQL to print.")
def sql(dialect: Any) -> None:
    """Print the statements that make the views in another engine, over the same files. Sessions are to be in UTC."""
    from pipeline.views import database as views
    from pipeline.views import engines
    from pipeline.warehouse.warehouse import Warehouse

    warehouse = Warehouse(warehouse_location())
    warehouse.require_snapshot()
    click.echo("\n\n".join(f"{statement};" for statement in engines.script(dialect, warehouse, views.Settings.read())))


@main.command()
@click.option("--days", type=click.IntRange(min=1), default=7, show_default=True, help="Daily windows to go through.")
def demo(days: int) -> None:
    """The whole job on the sandbox: a week of snapshots over real HTTP, then questions and their answers.

    It fills the warehouse with the sandbox's image builders, and refuses one that holds other snapshots.
    """
    _require_sandbox()
    from pipeline.cli.demo import run_demo

    run_demo(warehouse_location(), days, click.echo)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port on 127.0.0.1; 0 takes a free one.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def sandbox(port: int, command: Sequence[str]) -> None:
    """Serve an AWS on loopback to try everything against, until stopped; or while COMMAND runs.

    It prints the environment that makes boto3 use it. Clock and faults are changed while it runs:

    \b
      curl $AWS_ENDPOINT_URL/_sandbox
      curl $AWS_ENDPOINT_URL/_sandbox -d '{"faults": [{"kind": "deny", "region": "eu-*"}], "advance_seconds": 3600}'
    """  # noqa: D301
    _require_sandbox()
    from pipeline.sandbox.server import Sandbox

    try:
        server = Sandbox(port=port)
    except OSError as error:
        raise ConfigurationError(f"The sandbox cannot listen on port {port}: {error.strerror}.") from error
    with server:
        if command:
            sys.exit(_run_beside(server, command))
        click.echo(f"unset {' '.join(server.unset)}")
        for name, value in server.environment.items():
            click.echo(f"export {name}={value}")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            server.wait()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


def _run_beside(server: Sandbox, command: Sequence[str]) -> int:
    from pipeline.defs.instance import prepare_home

    prepare_home(warehouse_location())
    server.take_over(os.environ)
    # A shell starts its background jobs with interrupts ignored, and what ignores them hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise ConfigurationError(f"The command {command[0]} cannot be run: {error.strerror}.") from error
    # What stops this program stops the command as Ctrl-C would, and waits for it to put its things in order.
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # The terminal has told the command too.


def _require_sandbox() -> None:
    try:
        import cbor2  # noqa: F401
        import moto.server  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"The sandbox needs packages of its own ({error.name}): pip install 'appstream-image-builders[sandbox]'."
        ) from error


def _tell_snapshot(snapshot_id: str) -> None:
    import pyarrow.compute as pc

    from pipeline.cli.commands import printing
    from pipeline.views import database as views
    from pipeline.warehouse.warehouse import Warehouse

    warehouse = Warehouse(warehouse_location())
    sql = (
        "select account_id, account_name, region, status, complete, builders, pages, retries, error_message, "
        "later_status, later_error_message, coalesce(later_resume_token, resume_token) as resume_token "
        f"from extracts where snapshot_id = '{snapshot_id}' order by account_id, region"
    )
    told = views.query(warehouse, sql)
    if told.num_rows > MANY:
        # Of an organization, what went well is told in sum.
        seen = told.filter(pc.and_(pc.equal(told["status"], "ok"), pc.is_null(told["later_status"])))
        told = told.filter(pc.or_(pc.not_equal(told["status"], "ok"), pc.is_valid(told["later_status"])))
        click.echo(f"{seen.num_rows:,} targets seen, {pc.sum(seen['builders']).as_py() or 0:,} image builders")
    always = {"account_id", "region", "status", "complete", "builders", "pages"}
    shown = [n for n in told.column_names if n in always or any(v not in (None, 0) for v in told[n].to_pylist())]
    click.echo(printing.as_text(told.select(shown)))
    click.echo(f"Committed snapshot {snapshot_id} to {warehouse.location}")


def _plan(regions: Sequence[str]) -> tuple[Access, Plan]:
    from pipeline.aws import sessions as aws
    from pipeline.aws.credentials import Access
    from pipeline.targets import planning as targets

    access = Access(aws.new_session(), targets.ACCOUNTS_AT_ONCE)
    return access, targets.plan(access, regions)


def _tell_remarks(plan: Plan) -> None:
    for remark in plan.remarks:
        click.echo(str(remark), err=True)


def _print_rows(columns: Sequence[str], rows: Sequence[Sequence[str | None]], form: str) -> None:
    import pyarrow as pa

    shown = [n for n, name in enumerate(columns) if form != "table" or any(row[n] is not None for row in rows)]
    _print(pa.table({columns[n]: pa.array([row[n] for row in rows], pa.string()) for n in shown}), form)


def _print(answer: pa.Table, form: str) -> None:
    from pipeline.cli.commands import printing

    form_of = {"table": printing.as_text, "csv": printing.as_csv, "json": printing.as_json}
    click.echo(form_of[form](printing.distinct(answer)))


class _ProgressBar:
    """A bar on the terminal: targets done, image builders, targets not seen. Nothing where there is no terminal."""

    def __enter__(self) -> Callable[[Progress], None]:
        self._bar: Any = None
        if not sys.stderr.isatty():
            return lambda progress: None
        # Dagster turns standard error into a pipe while a step runs; the terminal is the terminal all the same.
        self._terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w")
        return self._report

    def _report(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("targets, {task.fields[builders]:,} image builders, {task.fields[failed]} not seen"),
                TimeElapsedColumn(),
                console=Console(file=self._terminal),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bar.add_task("", total=progress.targets, builders=0, failed=0)
            self._bar.start()
        self._bar.update(self._task, completed=progress.done, builders=progress.builders, failed=progress.failed)

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
            self._terminal.close()


def _terminal_progress(report: Callable[[Progress], None]) -> Any:
    from pipeline.defs.resources import ProgressResource

    class TerminalProgress(ProgressResource):
        def reporter(self, log: Any) -> Callable[[Progress], None]:
            return report

    return TerminalProgress()
