"""The command line, called as a person would: in this process where it can be, as a program where that is the point."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pipeline.cli import main

COMMAND = Path(sys.executable).with_name("image-builders")

Done = subprocess.CompletedProcess[str]


def image_builders(*arguments: str, **environ: str) -> Done:
    """The command in this process, in the working folder: quick, for Dagster and boto3 are loaded once."""
    before, handlers = dict(os.environ), {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    out, err = io.StringIO(), io.StringIO()
    os.environ.update(environ)
    try:
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main.main(list(arguments), prog_name="image-builders")
        exit_code = 0
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(["image-builders", *arguments], exit_code, out.getvalue(), err.getvalue())


def image_builders_process(*arguments: str, **environ: str) -> Done:
    """The installed command in a process of its own, in the working folder."""
    return subprocess.run(
        [COMMAND, *arguments], env=os.environ | environ, capture_output=True, text=True, check=False, timeout=300
    )


def failed(done: Done, exit_code: int, sentence: str) -> None:
    """One sentence on standard error, nothing on standard output, no traceback."""
    assert done.returncode == exit_code, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert re.fullmatch(rf"image-builders: .*{sentence}.*\.\n", done.stderr), done.stderr
