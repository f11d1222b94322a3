"""The commands to try everything without an AWS account: `demo` and `sandbox`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import interrupts
from pipeline.errors import ConfigurationError, missing_extra

if TYPE_CHECKING:
    from pipeline.sandbox.server import Sandbox


@click.command()
@click.option("--days", type=click.IntRange(min=1), default=7, show_default=True, help="Daily windows to go through.")
def demo(days: int) -> None:
    """The whole job on the sandbox: a week of snapshots over real HTTP, then questions and their answers.

    It fills the warehouse with the sandbox's image builders, and refuses one that holds other snapshots.
    """
    _require_sandbox()
    from pipeline.cli.demo import run_demo
    from pipeline.defs.process import process_environment

    run_demo(process_environment(), days, click.echo)


@click.command()
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
    from pipeline.cli.demo_estate import DemoEstate
    from pipeline.defs.process import process_environment
    from pipeline.sandbox.server import Sandbox

    # Beside a warehouse of the demo's, its image builders go on as they are.
    demos = DemoEstate.kept(process_environment().warehouse)
    try:
        server = Sandbox(demos.served if demos else None, port=port)
    except OSError as error:
        raise ConfigurationError(f"The sandbox cannot listen on port {port}: {error.strerror}.") from error
    with server:
        if command:
            sys.exit(_run_beside(server, command))
        click.echo(f"unset {' '.join(server.unset)}")
        for name, value in server.environment.items():
            click.echo(f"export {name}={value}")
        sys.stdout.flush()
        click.echo(f"An AWS on loopback at {server.url}, until Ctrl-C.", err=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            server.wait()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


def _run_beside(server: Sandbox, command: Sequence[str]) -> int:
    from pipeline.cli.demo_estate import look_as_the_demo_did
    from pipeline.defs.instance import prepare_home
    from pipeline.defs.own_runs import end_killed
    from pipeline.defs.process import process_environment

    location = process_environment().warehouse
    end_killed(prepare_home(location))
    look_as_the_demo_did(location, os.environ)
    server.take_over(os.environ)
    interrupts.leave_to_command()
    # A shell starts its background jobs with SIGINT ignored, which child processes inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise ConfigurationError(f"The command {command[0]} cannot be run: {error.strerror}.") from error
    click.echo(f"An AWS on loopback at {server.url}, while {Path(command[0]).name} runs.", err=True)
    # SIGTERM interrupts the command as Ctrl-C would, and this process waits until it has cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # The terminal has interrupted the command too.


def _require_sandbox() -> None:
    try:
        import cbor2  # noqa: F401
        import moto.server  # noqa: F401
    except ImportError as error:
        raise missing_extra("The sandbox", "sandbox", error) from error
