"""The installed command's first step: while modules are still loaded, a signal ends it with a word, too."""

from __future__ import annotations

import os
import signal


def program() -> None:
    """Runs the command line. Nothing is imported before signals are heeded: that takes a third of a second."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from pipeline.cli import program as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(*_: object) -> None:
    os.write(2, b"image-builders: Interrupted.\n")
    os._exit(130)
