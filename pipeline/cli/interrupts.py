"""Ends a program that is told to stop within a second, whatever its main thread is at.

Python runs the handler of a signal in the main thread, between two of its own steps, and so never while DuckDB or Arrow
holds that thread. Its C code does note every signal at once, in a pipe that another thread can read: that one
interrupts DuckDB, and ends the process where even that does not help.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn

INTERRUPTED = 130
"""The exit code."""

GRACE = 0.7
"""Seconds that the main thread has to end by itself, and to take back what was half done."""

TELLING = 10.0
"""Seconds for it to say so where something was committed after the signal came."""

_SIGNALS = {signal.SIGINT, signal.SIGTERM}
_is_left_to_command = threading.Event()
_has_come = threading.Event()


def watch() -> None:
    """Begins to watch for SIGINT and SIGTERM, for as long as the process lives."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(reads,), name="interrupts", daemon=True).start()


def is_told_to_stop() -> bool:
    """Whether a signal has come. DuckDB, interrupted, may raise an error of its own before Python raises its."""
    return _has_come.is_set()


def leave_to_command() -> None:
    """From now on another program's end is waited for, which has its own way of being told to stop."""
    _is_left_to_command.set()


def exit_now() -> NoReturn:
    """Ends an interrupted process: threads of its sweep may wait for AWS for another minute."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(INTERRUPTED)


def _wait(reads: int) -> None:
    while True:
        if _SIGNALS & set(os.read(reads, 1)) and not _is_left_to_command.is_set():
            _has_come.set()
            _end()


def _end() -> NoReturn:
    begun, committed = time.monotonic(), _committed()
    while True:
        _interrupt_database()
        time.sleep(0.05)
        is_committing, done = _committed()
        grace = TELLING if done > committed[1] else GRACE
        if not is_committing and time.monotonic() - begun > grace:
            os.write(2, b"image-builders: Interrupted.\n")
            os._exit(INTERRUPTED)


def _interrupt_database() -> None:
    # Not imported here, or a command that never asks would pay for it.
    if scan := sys.modules.get("pipeline.warehouse.scan"):
        scan.interrupt()


def _committed() -> tuple[bool, int]:
    """Whether a commit is being made now, and how many this process has made."""
    module = sys.modules.get("pipeline.warehouse.uninterrupted")
    return module.progress() if module else (False, 0)
