"""The edge of a program to its surroundings: its streams, and what becomes of an error that nobody foresaw."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
import traceback
from datetime import UTC, datetime

from pipeline import shown
from pipeline.errors import ImageBuildersError

_FULL = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM = "There is no room left to write to."


class ClosedOutputError(ImageBuildersError):
    """There is nowhere to write an answer to."""


class _Closed(io.TextIOBase):
    """Stands for a standard output that was closed: what is written to it is not lost without a word."""

    def write(self, text: str) -> int:
        raise ClosedOutputError("Standard output is closed, so that nothing can be written to it: give --output FILE.")

    def isatty(self) -> bool:
        return False


def prepare_streams() -> None:
    """Has files and pipes get UTF-8, whatever the locale is, and a terminal a replacement for what it cannot show.

    A standard stream that is closed is opened on nothing, or the next file to be opened would take its place.
    """
    is_closed = [_is_closed(number) for number in range(3)]
    for number in [number for number, closed in enumerate(is_closed) if closed]:
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    if sys.stdout is None or is_closed[1]:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        _reconfigure(stream)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _reconfigure(stream: object) -> None:
    if not isinstance(stream, io.TextIOWrapper):
        return
    if stream.isatty():
        stream.reconfigure(errors="replace")
    else:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def flushed(exit_code: int) -> int:
    """The exit code once all was written: another one where it could not be."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # A reader that is gone has seen what it wanted; and what failed before was told then.
        if error.errno != errno.EPIPE and not exit_code:
            sys.stderr.write(f"image-builders: {_unwritten(error)}\n")
        exit_code = exit_code or 1
    except ValueError:
        pass  # It was closed, by click, where the reader is gone.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    return exit_code


def _unwritten(error: OSError) -> str:
    return NO_ROOM if error.errno in _FULL else f"Standard output cannot be written: {error.strerror}."


def sentence_of(error: Exception) -> tuple[str, int]:
    """One sentence on an error that nobody foresaw, and the exit code. Its traceback is kept in a file.

    A full disk, a reader that is gone and too little memory need no traceback: who is told of them knows what to do.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return NO_ROOM, 1
    if isinstance(error, MemoryError):
        return "There is not enough memory for that: ask for less at once.", 1
    from pipeline.aws.redaction import redacted

    what = shown.capped(" ".join(redacted(f"{type(error).__name__}: {error}").split()), 300).rstrip(".")
    text = redacted("".join(traceback.format_exception(error)))
    try:
        begin = f"image-builders-{datetime.now(UTC):%Y%m%dT%H%M%S}-"
        with tempfile.NamedTemporaryFile(
            "w", prefix=begin, suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f"Something unforeseen went wrong ({what}), and its traceback could not be kept in a file.", 1
    return f"Something unforeseen went wrong ({what}). Please report it, with its traceback: {file.name}.", 1
