"""What is going on, told on standard error while somebody waits; nothing where that is no terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pipeline.extract.sweep import Progress


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner with what is done, until it is done."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with _own_terminal() as terminal, Console(file=terminal).status(f"{what} …"):
        yield


def _own_terminal() -> TextIO:
    """Standard error, kept open: Dagster replaces it by a pipe while a step runs."""
    return os.fdopen(os.dup(sys.stderr.fileno()), "w")


class ProgressBar:
    """A bar on standard error: targets done, image builders, targets not seen. Nothing where that is no terminal."""

    def __enter__(self) -> Callable[[Progress], None]:
        self._bar: Any = None
        if not sys.stderr.isatty():
            return lambda progress: None
        self._terminal = _own_terminal()
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
