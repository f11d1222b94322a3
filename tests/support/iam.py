"""Whether IAM would allow a call by a policy: actions and resources by globs, StringEquals with policy variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any


def is_allowed(policies: list[dict[str, Any]], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a statement of the policies allows it; none of this project's denies.

    `context` has the condition keys of the request (Service Authorization Reference).
    """
    statements = [statement for policy in policies for statement in policy["Statement"]]
    assert {s["Effect"] for s in statements} == {"Allow"}
    return any(
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _listed(s["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in _listed(s["Resource"]))
        and _holds(s.get("Condition", {}), context)
        for s in statements
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _holds(condition: Mapping[str, Mapping[str, str]], context: Mapping[str, str]) -> bool:
    assert set(condition) <= {"StringEquals"}

    def meant(value: str) -> str | None:
        variable = re.fullmatch(r"\$\{(.+)\}", value)
        return context.get(variable[1]) if variable else value

    return all(
        key in context and context[key] == meant(value) for key, value in condition.get("StringEquals", {}).items()
    )
