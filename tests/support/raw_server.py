"""A server that answers every request with the same bytes, whatever they are, and closes the connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any


class RawServer:
    """On loopback, until the context is left. `access` is for the tests to keep what asks it."""

    reply = b""
    access: Any = None

    def __enter__(self) -> RawServer:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    connection.recv(2**16)
                    connection.sendall(self.reply)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(2**16)
