"""Secrets of this process, and texts without them: whatever AWS says may quote what it was asked with.

The words of a refused signature, for instance, hold the canonical request, session token included.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import quote

_HIDDEN = "***"
_secrets: set[str] = set()

# At DEBUG these log headers and bodies, keys and tokens among them; the last, at WARNING, tracebacks of what is told
# where it belongs anyway. Nobody turns on a log in order to spread secrets.
_TALKATIVE = {
    "botocore.auth": logging.DEBUG,
    "botocore.endpoint": logging.DEBUG,
    "botocore.parsers": logging.DEBUG,
    "botocore.httpsession": logging.DEBUG,
    "botocore.credentials": logging.WARNING,
}


def _above(level: int) -> Callable[[logging.LogRecord], bool]:
    return lambda record: record.levelno > level


for _name, _level in _TALKATIVE.items():
    logging.getLogger(_name).addFilter(_above(_level))


def keep_secret(*values: str | None) -> None:
    """Has `redacted` hide these from now on."""
    for value in values:
        # What is shorter than any secret of AWS's would blot out innocent words.
        if value and len(value) >= 12:
            # As it is, and as JSON and forms may write it.
            _secrets.update((value, value.replace("/", "\\/"), quote(value, safe="")))


def redacted(text: str) -> str:
    """The text without any secret that this process was given."""
    for secret in sorted(_secrets, key=len, reverse=True):  # One may be how another begins.
        if secret in text:
            text = text.replace(secret, _HIDDEN)
    return text
