"""A server that accepts every connection and answers a byte at a time, headers included: what no read timeout ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nX-Padding: " + b"x" * 60_000


class Dripping:
    """On loopback, until the context is left. With `seconds` None it never says a word."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Dripping:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Any) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(2**16)
            for place in range(len(REPLY)):
                if self._over.wait(60 if self._seconds is None else self._seconds):
                    return
                connection.sendall(REPLY[place : place + 1])


def took(begun: float) -> float:
    """Seconds since a moment of the monotonic clock."""
    return time.monotonic() - begun
