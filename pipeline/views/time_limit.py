"""How long a question may take, from its connection on."""

from __future__ import annotations

import threading

import duckdb

from pipeline.errors import QueryTimeoutError


class TimeLimit:
    """Raises QueryTimeoutError where what is asked within the context, of connections that it holds, takes longer."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._is_over = threading.Event()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._timer = threading.Timer(seconds or 0, self._interrupt)
        self._timer.daemon = True

    def holds(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        if self._is_over.is_set():
            raise duckdb.InterruptException("the time was over before")

    def _interrupt(self) -> None:
        self._is_over.set()
        if self._connection is not None:
            self._connection.interrupt()

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._timer.start()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._timer.cancel()
        # RuntimeError while the answer is fetched.
        if self._is_over.is_set() and isinstance(error, duckdb.Error | RuntimeError):
            raise QueryTimeoutError(
                f"The question took longer than {self._seconds:g} seconds: ask for less."
            ) from error
