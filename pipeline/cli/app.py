"""The program `image-builders`: its group of commands, how errors and interrupts end it, its help."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
import threading
from typing import Any, NoReturn

import click

from pipeline import __version__
from pipeline.cli import explore, export, forget, query, sandbox, snapshot, targets
from pipeline.errors import ImageBuildersError

INTERRUPTED = 130


class _Commands(click.Group):
    """Prints errors that have a sentence for the user as that sentence, and exits with their code."""

    def invoke(self, ctx: click.Context) -> Any:
        if threading.current_thread() is threading.main_thread():
            # SIGTERM as Ctrl-C: whatever has its own way of being interrupted, Dagster for one, has it for both.
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                # A shell starts its background jobs with SIGINT ignored; SIGTERM would be ignored with it.
                signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except ImageBuildersError as error:
            click.echo(f"image-builders: {error}", err=True)
            if error.exit_code == INTERRUPTED:
                _exit_now()
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("image-builders: Interrupted.", err=True)
            _exit_now()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            click.echo("image-builders: There is no room left to write to.", err=True)
            ctx.exit(1)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The settings, from their declaration."""
        from pipeline.settings.environment import described

        formatter.write_paragraph()
        formatter.write_text("Settings are environment variables:")
        rows = [(name, f"{meaning}  [{default}]" if default else meaning) for name, meaning, default in described()]
        rows.append(("DAGSTER_HOME", "Dagster's instance  [.dagster beside the warehouse]"))
        rows.append(("AWS_*", "boto3's own: profile, region, credentials, endpoint"))
        with formatter.indentation():
            formatter.write_dl(rows)


def _exit_now() -> NoReturn:
    """Ends an interrupted process at once: threads of its sweep may wait for AWS for another minute."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def program() -> None:
    """The installed command: runs `main`, then ends the process without tearing down the interpreter.

    During teardown, libraries that find objects of theirs alive, DuckDB for one, fill standard error with what they
    take for leaks.
    """
    exit_code = 1  # That of a traceback.

    def leave() -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # The reader is gone, or the disk is full; the interpreter has an exit code for that.
        os._exit(exit_code)

    atexit.register(leave)  # Registered first, so it is called last: all others clean up before.
    try:
        main()
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="image-builders")
def main() -> None:
    """The warehouse of AWS AppStream 2.0 image builders: snapshots as Parquet, answers in SQL."""


for _command in (
    *(snapshot.snapshot, snapshot.prices, forget.forget),
    *(targets.targets, targets.doctor),
    *(query.query, explore.open_views, explore.report, explore.sql, export.export),
    *(sandbox.demo, sandbox.sandbox),
):
    main.add_command(_command)
