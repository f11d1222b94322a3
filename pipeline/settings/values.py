"""What the texts of variables may be: stricter than pydantic, which would take other words than the documents name."""

from __future__ import annotations

import re
from datetime import date
from typing import Any


def on_or_off(value: Any) -> Any:
    # Pydantic would take yes, 1 and TRUE as well: other words than the documents name.
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


def owners(value: Any) -> Any:
    owners = tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    for owner in owners:
        # Dagster's own rule: an e-mail address, or the name of a team.
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|team:[A-Za-z0-9_.-]+", owner):
            raise ValueError(f"{owner} is neither an e-mail address nor team:NAME")
    return owners


def key_values(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
    for key, _, text in pairs:
        # Dagster's own rule for tags.
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}(/[A-Za-z0-9_.-]{1,63})?", key) or not re.fullmatch(
            r"[A-Za-z0-9_.-]{1,63}", text
        ):
            raise ValueError(f"{key}={text} is no KEY=VALUE of letters, digits, _, . and -")
    return tuple((key, text) for key, _, text in pairs)


def strict_day(value: Any) -> Any:
    # Pydantic would take seconds since 1970 as well.
    return date.fromisoformat(value) if isinstance(value, str) else value


def strict_number(value: Any) -> Any:
    # Pydantic would take 1_0 and " 1 " as well.
    return value if not isinstance(value, str) or value.isdecimal() else "no number"
