"""The sandbox as a server on loopback: AppStream and moto on one port, with a clock that can be moved.

Used in this process (`with Sandbox() as sandbox`) or on its own (`image-builders sandbox`); in both it is real
HTTP. `GET /_sandbox` tells its state, `POST /_sandbox` changes clock and faults.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.iam.models import get_account_id_from
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from pipeline.sandbox.appstream import AppStream
from pipeline.sandbox.estate import Estate, SeededEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.front import Front
from pipeline.sandbox.services import Services

ACCOUNT = "123456789012"
"""The account of any access key that moto's STS did not hand out: moto's default."""

CONTROL = "/_sandbox"


class Clock:
    """Real time, or a fixed moment."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at or datetime.now(UTC)

    def set(self, at: datetime | None) -> None:
        """Fixes the clock at a moment; None returns to real time."""
        self._at = at

    def advance(self, by: timedelta) -> None:
        self._at = self.now() + by


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_: Any) -> None:
        """Logs nothing: the requests are in `AppStream.calls`."""


class Sandbox:
    """A running sandbox. Leaving the context stops it."""

    def __init__(
        self, estate: Estate | None = None, clock: Clock | None = None, faults: Sequence[Fault] = (), port: int = 0
    ) -> None:
        self.clock = clock or Clock()
        self.appstream = AppStream(
            estate or SeededEstate(self.clock.now() - timedelta(days=7)),
            self.clock.now,
            get_account_id_from,
            list(faults),
        )
        moto = DomainDispatcherApplication(create_backend_app)
        self.services = Services(moto, lambda: self.appstream.estate, self.clock.now, get_account_id_from)
        self.front = Front(
            self.services,
            get_account_id_from,
            self.appstream.faults,
            enabled=self.appstream.enabled,
            expired=self.appstream.expired,
        )
        self._server = make_server("127.0.0.1", port, self._route, threaded=True, request_handler=_Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="sandbox", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    unset = (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ACCOUNT_ID",
        "AWS_ENDPOINT_URL_APPSTREAM",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    )
    """Variables to unset, so that boto3 talks to this sandbox and to nothing else."""

    def take_over(self, environ: MutableMapping[str, str]) -> None:
        """Changes an environment so that boto3 talks to this sandbox."""
        for name in self.unset:
            environ.pop(name, None)
        environ.update(self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which boto3 talks to this sandbox."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self) -> Sandbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def actions(self) -> list[str]:
        """The actions that were called, of any service, as IAM names them."""
        return [
            *(asked.action for asked in self.front.log),
            *("appstream:DescribeImageBuilders" for _ in self.appstream.calls),
        ]

    def wait(self) -> None:
        """Returns when the server has stopped."""
        self._thread.join()

    def _route(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self.appstream.serves(environ):
            return self.appstream(environ, start_response)
        if environ.get("PATH_INFO") == CONTROL:
            return self._control(environ, start_response)
        return self.front(environ, start_response)

    def _control(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = "200 OK"
        try:
            if environ["REQUEST_METHOD"] == "POST":
                self._change(json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))))
            answer: dict[str, Any] = {
                "now": self.clock.now().isoformat(),
                "faults": [asdict(f) for f in self.appstream.faults],
                "calls": len(self.appstream.calls),
            }
        except (ValueError, TypeError, KeyError) as error:
            status, answer = "400 Bad Request", {"error": str(error)}
        body = json.dumps(answer, default=str).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _change(self, wanted: dict[str, Any]) -> None:
        if unknown := set(wanted) - {"now", "advance_seconds", "faults"}:
            raise ValueError(f"The sandbox has no {', '.join(sorted(unknown))}: now, advance_seconds, faults.")
        if "now" in wanted:
            self.clock.set(datetime.fromisoformat(wanted["now"]) if wanted["now"] else None)
        if "advance_seconds" in wanted:
            self.clock.advance(timedelta(seconds=wanted["advance_seconds"]))
        if "faults" in wanted:
            self.appstream.faults[:] = [Fault(**fault) for fault in wanted["faults"]]
