"""Findings that somebody has accepted, as findings.yaml names them: a rule, builders, a reason, and until when."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from pipeline.settings.yaml_file import Keys

_GLOB = {"*": ".*", "?": ".", "^": r"\^", "\\": r"\\", "[": r"\[", "]": r"\]"}


@dataclass(frozen=True)
class Accepted:
    """An exception: to which rule, of which builders, why, and the last day on which it counts.

    `name`, `account` and `region` are regular expressions for whole values, None for any; so is `tag_value`, for the
    value of the tag `tag_key`.
    """

    rule: str
    name: str | None
    account: str | None
    region: str | None
    tag_key: str | None
    tag_value: str | None
    reason: str
    until: datetime.date


def _reason(given: str) -> str:
    if not given.strip():
        raise ValueError("say why it is accepted: whoever reads the finding next wants to know")
    return given.strip()


def _one_tag(given: dict[str, str]) -> dict[str, str]:
    if len(given) != 1:
        raise ValueError("give one tag and its value, {Stage: prod*} for instance")
    return given


class ExceptionKeys(Keys):
    """An exception of findings.yaml. Globs: `*` is any text, `?` any character."""

    rule: str
    name: str | None = None
    account: str | None = None
    region: str | None = None
    tag: Annotated[dict[str, str], AfterValidator(_one_tag)] | None = None
    reason: Annotated[str, AfterValidator(_reason)]
    until: Annotated[datetime.date, Field(strict=True)]

    @model_validator(mode="after")
    def _names_builders(self) -> ExceptionKeys:
        if (self.name, self.account, self.region, self.tag) == (None, None, None, None):
            raise ValueError('name the builders by name, account, region or tag; name: "*" is all of them')
        return self


def accepted(given: Sequence[ExceptionKeys]) -> Iterator[Accepted]:
    """The exceptions of the file, globs as regular expressions in the syntax that SQL engines share."""
    for keys in given:
        ((tag_key, tag_value),) = (keys.tag or {"": ""}).items()
        yield Accepted(
            keys.rule,
            _pattern(keys.name),
            _pattern(keys.account),
            _pattern(keys.region),
            tag_key.lower() if keys.tag else None,
            _pattern(tag_value) if keys.tag else None,
            keys.reason,
            keys.until,
        )


def _pattern(glob: str | None) -> str | None:
    if glob is None:
        return None
    return f"^{''.join(_GLOB.get(c, c if re.match(r'[A-Za-z0-9_ ]', c) else f'[{c}]') for c in glob)}$"
