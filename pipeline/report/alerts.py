"""Alerts: what is wrong now, as messages to Slack or a webhook. Failing findings, and targets that were not seen.

What a destination was told already is remembered by the caller, the sensor.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, get_args

import requests

from pipeline import shown, views
from pipeline.aws.redaction import keep_secret
from pipeline.errors import AlertError, ConfigurationError
from pipeline.settings import Environment
from pipeline.settings.environment import Severity, variable
from pipeline.views.sql_files import sql_query
from pipeline.warehouse import Warehouse

TIMEOUT = 20.0
"""Seconds for an answer."""

LISTED = 20
"""Alerts that a message to people lists; it says how many more there are."""

_SEVERITIES = get_args(Severity)


@dataclass(frozen=True)
class Alert:
    """Something that is wrong now. `key` stays the same for as long as it is wrong."""

    key: str
    text: str
    row: dict[str, Any]


@dataclass(frozen=True)
class Destination:
    """Where alerts go: Slack's incoming webhook, or any other webhook, which gets JSON."""

    kind: str
    url: str

    @property
    def key(self) -> str:
        """Identifies the destination where what it was told is remembered. The URL is a secret, and not in it."""
        return f"{self.kind}-{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"


def destinations(environment: Environment) -> list[Destination]:
    """Those that are configured. Raises ConfigurationError for a setting that is no URL."""
    found = []
    for kind, name in (("slack", "slack_webhook"), ("webhook", "webhook")):
        if url := getattr(environment, name):
            if not url.startswith(("http://", "https://")):
                raise ConfigurationError(f"{variable(name)} is no http(s) URL.")
            keep_secret(url)
            found.append(Destination(kind, url))
    return found


def current_alerts(
    warehouse: Warehouse, least: str = _SEVERITIES[0], settings: views.Settings | None = None
) -> list[Alert]:
    """All that is wrong now: failing findings of at least that severity, and configured targets that were not seen."""
    severities = _SEVERITIES[_SEVERITIES.index(least) :]
    failing = views.query(warehouse, sql_query("alerts", "findings"), settings).to_pylist()
    findings = [row for row in failing if row["severity"] in severities]
    coverage = views.query(warehouse, sql_query("alerts", "coverage"), settings).to_pylist()
    return [
        *(
            Alert(
                f"coverage/{row['account_id']}/{row['region']}",
                f"{row['account_id']}/{row['region']} was not seen: {row['last_status']}, {row['last_error_code']}",
                {"kind": "coverage"} | row,
            )
            for row in coverage
        ),
        *(
            Alert(
                f"finding/{row['arn']}/{row['rule']}",
                f"{row['name']} ({row['account_id']}/{row['region']}): {row['title']} ({row['evidence']})",
                {"kind": "finding"} | row,
            )
            for row in findings
        ),
    ]


def post(destination: Destination, alerts: list[Alert], snapshot_id: str) -> None:
    """Sends the alerts of a snapshot in one message. Raises AlertError when the destination does not accept it."""
    body: dict[str, Any] = {"text": _text(alerts), "mrkdwn": False}  # Slack is to make nothing of the text.
    if destination.kind != "slack":
        body = {"text": body["text"], "alerts": [_capped(alert.row) | {"key": alert.key} for alert in alerts]}
    content = json.dumps(body, default=str, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        # The same when it is sent again, so that a receiver whose answer was lost can recognize it.
        "Idempotency-Key": hashlib.sha256(snapshot_id.encode() + content).hexdigest(),
    }
    try:
        # Only the status of the answer counts; its body, which may have no end, is not read.
        with requests.post(
            destination.url, content, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as reply:
            is_refused, status = not reply.ok or reply.is_redirect, reply.status_code
    except requests.RequestException as error:
        # The error's own text quotes the URL, which is a secret.
        raise AlertError(f"The {destination.kind} does not answer ({type(error).__name__}).") from None
    if is_refused:
        raise AlertError(f"The {destination.kind} refuses alerts: status {status}.")


def _capped(row: dict[str, Any]) -> dict[str, Any]:
    return {name: shown.capped(value) if isinstance(value, str) else value for name, value in row.items()}


def _text(alerts: list[Alert]) -> str:
    lines = [f"{len(alerts)} {'thing' if len(alerts) == 1 else 'things'} to look into among AppStream image builders:"]
    lines += [f"• {shown.slack(alert.text)}" for alert in alerts[:LISTED]]
    if len(alerts) > LISTED:
        lines.append(f"and {len(alerts) - LISTED:,} more")
    return "\n".join(lines)
