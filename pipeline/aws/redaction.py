"""Removes this process's secrets from text: AWS may quote what it was asked with.

The message of a refused signature, for instance, contains the canonical request, session token included.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import quote

_HIDDEN = "***"
_secrets: set[str] = set()

# At DEBUG these loggers write headers and bodies, with keys and tokens in them; the last, at WARNING, writes tracebacks
# of failures that this project reports itself. Nobody turns on a log in order to spread secrets.
_LOUDEST_DROPPED_LEVEL = {
    "botocore.auth": logging.DEBUG,
    "botocore.endpoint": logging.DEBUG,
    "botocore.parsers": logging.DEBUG,
    "botocore.httpsession": logging.DEBUG,
    "botocore.credentials": logging.WARNING,
}


def _only_above(level: int) -> Callable[[logging.LogRecord], bool]:
    return lambda record: record.levelno > level


for _name, _level in _LOUDEST_DROPPED_LEVEL.items():
    logging.getLogger(_name).addFilter(_only_above(_level))


def keep_secret(*values: str | None) -> None:
    """Has `redacted` hide these values from now on."""
    for value in values:
        # Shorter than any of AWS's secrets: hiding it would blot out innocent words.
        if value and len(value) >= 12:
            # As it is, and as JSON and URL encoding may write it.
            _secrets.update((value, value.replace("/", "\\/"), quote(value, safe="")))


def redacted(text: str) -> str:
    """The text with each secret that was given to `keep_secret` replaced by `***`."""
    for secret in sorted(_secrets, key=len, reverse=True):  # The longest first: one may be the beginning of another.
        if secret in text:
            text = text.replace(secret, _HIDDEN)
    return text
