"""Queries that read something else in place of what they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


def of_what_came(query: str, own: Callable[[str], str]) -> str:
    """A query of sql/fold with a view's own query for each `since.<view>`: a view of that would be bound twice."""
    return re.sub(
        r"\bsince\.(\w+)(\s+as\s+\w+)?", lambda match: f"(\n{own(match[1])}\n){match[2] or f' as {match[1]}'}", query
    )


def renamed(query: str, names: Mapping[str, str]) -> str:
    """A query that reads other tables and views, each under its old name."""

    def other(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in names:
            return match[0]
        alias = match["alias"] or f" as {name.rpartition('.')[2]}"
        return f"{match['word']}{match['space']}{names[name]}{alias}"

    return re.sub(
        r"\b(?P<word>from|join)(?P<space>\s+)(?P<name>(?:raw\.)?[a-z0-9_]+)\b(?P<alias>\s+as\s+\w+)?", other, query
    )
