"""The program `image-builders`: its group of commands, how errors and interrupts end it, its help."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import Any

import click

from pipeline import __version__
from pipeline.cli import edge, explore, export, forget, interrupts, query, sandbox, snapshot, targets
from pipeline.cli.printing import tell
from pipeline.errors import ImageBuildersError


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
            _say(error)
            if error.exit_code == interrupts.INTERRUPTED:
                interrupts.exit_now()
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            _say("Interrupted.")
            interrupts.exit_now()
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # Click's own ways to end, with a usage or without a word.
        except Exception as error:
            if interrupts.is_told_to_stop():
                _say("Interrupted.")
                interrupts.exit_now()
            sentence, exit_code = edge.sentence_of(error)
            _say(sentence)
            ctx.exit(exit_code)

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


def _say(sentence: object) -> None:
    tell(f"image-builders: {sentence}")


def program() -> None:
    """The installed command: runs `main`, then ends the process without tearing down the interpreter.

    During teardown, libraries that find objects of theirs alive, DuckDB for one, fill standard error with what they
    take for leaks.
    """
    edge.prepare_streams()
    interrupts.watch()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # None is used, and to look for them takes a while.
    exit_code = 1
    # Registered first, so it is called last: all others clean up before.
    atexit.register(lambda: os._exit(edge.flushed(exit_code)))
    try:
        main()
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        raise
    except Exception as error:  # Of click itself, or while an error was told.
        sentence, exit_code = edge.sentence_of(error)
        _say(sentence)
        sys.exit(exit_code)


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
