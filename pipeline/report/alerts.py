"""What is wrong now, told to Slack or to a webhook, each thing once: failing findings, and targets that were not seen.

What is told is remembered by the caller; who is told, and how, is here. Neither knows Dagster.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from pipeline.aws.redaction import keep_secret
from pipeline.errors import AlertError, ConfigurationError
from pipeline.views import database as views
from pipeline.warehouse.warehouse import Warehouse

TIMEOUT = 20.0
"""Seconds for an answer."""

LISTED = 20
"""Things that a message to people lists; of more it says how many there are."""

_SEVERITIES = ("low", "medium", "high")


@dataclass(frozen=True)
class Alert:
    """Something that is wrong now. `key` stays the same for as long as it is."""

    key: str
    text: str
    row: dict[str, Any]


@dataclass(frozen=True)
class Destination:
    """Where alerts go: Slack's incoming webhook, or any other, which gets JSON."""

    kind: str
    url: str

    @property
    def key(self) -> str:
        """By which it is remembered what it was told; the URL is a secret, and is not in it."""
        return f"{self.kind}-{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"


def destinations(environ: Mapping[str, str] = os.environ) -> list[Destination]:
    """Those that are configured. Raises ConfigurationError for a setting that is no URL."""
    found = []
    for kind, setting in (("slack", "IMAGE_BUILDERS_SLACK_WEBHOOK"), ("webhook", "IMAGE_BUILDERS_WEBHOOK")):
        if url := environ.get(setting):
            if not url.startswith(("http://", "https://")):
                raise ConfigurationError(f"{setting} is no http(s) URL.")
            keep_secret(url)
            found.append(Destination(kind, url))
    return found


def least_severity(environ: Mapping[str, str] = os.environ) -> str:
    """The severity from which findings are told; all where none is set. Raises ConfigurationError."""
    severity = environ.get("IMAGE_BUILDERS_ALERT_SEVERITY") or _SEVERITIES[0]
    if severity not in _SEVERITIES:
        raise ConfigurationError(
            f"IMAGE_BUILDERS_ALERT_SEVERITY is '{severity}'; it is one of: {', '.join(_SEVERITIES)}."
        )
    return severity


def current(warehouse: Warehouse, least: str = _SEVERITIES[0]) -> list[Alert]:
    """All that is wrong now: failing findings of the severity or a worse one, and configured targets not seen."""
    severities = ", ".join(f"'{s}'" for s in _SEVERITIES[_SEVERITIES.index(least) :])
    findings = views.query(
        warehouse,
        "select account_id, region, name, arn, owner, rule, title, severity, evidence, source from findings "
        f"where status = 'fail' and severity in ({severities}) order by account_id, region, name, rule",
    ).to_pylist()
    coverage = views.query(
        warehouse,
        "select account_id, region, account_name, last_status, last_error_code, last_error_message from coverage "
        "where last_status <> 'ok' and is_configured is distinct from false order by account_id, region",
    ).to_pylist()
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
    """Tells a destination what a snapshot shows, in one message. Raises AlertError when it does not take it."""
    text = _text(alerts)
    body: dict[str, Any] = {"text": text}
    if destination.kind != "slack":
        body["alerts"] = [alert.row | {"key": alert.key} for alert in alerts]
    content = json.dumps(body, default=str, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        # Sent again, it has the same key: a receiver that took it and could not say so can tell.
        "Idempotency-Key": hashlib.sha256(snapshot_id.encode() + content).hexdigest(),
    }
    try:
        reply = requests.post(destination.url, content, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        # What it says in full quotes the URL, which is a secret.
        raise AlertError(f"The {destination.kind} does not answer ({type(error).__name__}).") from None
    if not reply.ok or reply.is_redirect:
        raise AlertError(f"The {destination.kind} refuses alerts: status {reply.status_code}.")


def _text(alerts: list[Alert]) -> str:
    lines = [f"{len(alerts)} {'thing' if len(alerts) == 1 else 'things'} to look into among AppStream image builders:"]
    lines += [f"• {_escaped(alert.text)}" for alert in alerts[:LISTED]]
    if len(alerts) > LISTED:
        lines.append(f"and {len(alerts) - LISTED:,} more")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    # Source: Slack's documentation, Formatting text for app surfaces: these three are control characters.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
