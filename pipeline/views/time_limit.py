"""How long a question may take, from its connection on."""

from __future__ import annotations

import contextlib
import threading

import duckdb

from pipeline.errors import QueryTimeoutError

_AGAIN = 0.02
"""Seconds between two interrupts."""


class TimeLimit:
    """Raises QueryTimeoutError where what is asked within the context, of connections that it holds, takes longer."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._is_over, self._has_ended = threading.Event(), threading.Event()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def holds(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Has a connection interrupted from when the time is over on."""
        self._connection = connection

    def _watch(self) -> None:
        if self._has_ended.wait(self._seconds):
            return
        self._is_over.set()
        # DuckDB forgets an interrupt that comes between two statements.
        while not self._has_ended.wait(_AGAIN):
            if self._connection is not None:
                with contextlib.suppress(duckdb.Error):  # It may have been closed.
                    self._connection.interrupt()

    def __enter__(self) -> None:
        if self._seconds is not None:
            threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._has_ended.set()
        # RuntimeError while the answer is fetched.
        if self._is_over.is_set() and isinstance(error, duckdb.Error | RuntimeError):
            raise QueryTimeoutError(
                f"The question took longer than {self._seconds:g} seconds: ask for less."
            ) from error
