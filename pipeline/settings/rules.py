"""What the views take from settings: the rules of `findings` with their thresholds, owner tags, billed states.

sql/rules.yaml has the defaults; findings.yaml, or the file that IMAGE_BUILDERS_FINDINGS names, what a user changes.
What a rule looks at is in sql/findings.sql.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.aws import service_model as model
from pipeline.settings.yaml_file import Keys, Step, read_keys
from pipeline.views.sql_files import sql_folder

DEFAULT_FILE = "findings.yaml"

Severity = Literal["low", "medium", "high"]
# YAML reads the plain word off as a truth value.
Check = Annotated[Literal["warn", "error", "off"], BeforeValidator(lambda value: "off" if value is False else value)]


@dataclass(frozen=True)
class Rule:
    """A rule of `findings`: its title, how bad a failure is, its threshold and unit if it has one, who says so.

    `check` is what its asset check says of a failure.
    """

    name: str
    title: str
    severity: str
    source: str
    threshold: float | None
    unit: str | None
    check: str


@dataclass(frozen=True)
class Rules:
    """The settings, merged: the rules that are in force, and what else the views take from here."""

    rules: tuple[Rule, ...]
    owner_tags: tuple[str, ...]
    billed_states: tuple[str, ...]
    checks: str


def _rule_names(given: dict[str, RuleKeys]) -> dict[str, RuleKeys]:
    for name in given:
        known = _defaults()["rules"]
        if name not in known:
            raise ValueError(f"there is no rule {name}; the rules are {', '.join(known)}")
        if given[name].threshold is not None and "threshold" not in known[name]:
            has = ", ".join(rule for rule in known if "threshold" in known[rule])
            raise ValueError(f"the rule {name} has no threshold; those that have one are {has}")
    return given


def _some(given: list[str]) -> list[str]:
    if not given:
        raise ValueError("the list is empty: name one at least, or leave the key out for the default")
    return given


def _known_states(given: list[str]) -> list[str]:
    """States that nobody has heard of may be AWS's newest; those that nearly are known ones are mistyped."""
    known = model.enums()["State"]
    for state in given:
        if state not in known and (near := difflib.get_close_matches(state, known, 1, 0.8)):
            raise ValueError(f"there is no state {state}; did you mean {near[0]}?")
    return given


class RuleKeys(Keys):
    """What may be changed of a rule."""

    enabled: bool = True
    severity: Severity | None = None
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    checks: Check | None = None


class RulesFile(Keys):
    """findings.yaml, validated."""

    owner_tags: Annotated[list[str], AfterValidator(_some)] | None = None
    billed_states: Annotated[list[str], AfterValidator(_some), AfterValidator(_known_states)] | None = None
    checks: Check | None = None
    rules: Annotated[dict[str, RuleKeys], AfterValidator(_rule_names)] = {}


def read_rules(environ: Mapping[str, str] = os.environ) -> Rules:
    """The rules in force. Raises ConfigurationError for a file that cannot be, with the place and the fix."""
    given = read_keys(RulesFile, environ, "IMAGE_BUILDERS_FINDINGS", DEFAULT_FILE, _keys_at)
    defaults = _defaults()
    checks = given.checks or defaults["checks"]
    rules = []
    for name, known in defaults["rules"].items():
        own = given.rules.get(name, RuleKeys())
        if own.enabled:
            threshold = known.get("threshold") if own.threshold is None else own.threshold
            rules.append(
                Rule(
                    name,
                    known["title"],
                    own.severity or known["severity"],
                    known["source"],
                    None if threshold is None else float(threshold),
                    known.get("unit"),
                    own.checks or checks,
                )
            )
    return Rules(
        tuple(rules),
        tuple(given.owner_tags or defaults["owner_tags"]),
        tuple(given.billed_states or defaults["billed_states"]),
        checks,
    )


@cache
def _defaults() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((sql_folder() / "rules.yaml").read_text("utf-8"))
    return read


def _keys_at(steps: Sequence[Step]) -> list[str]:
    return list((RuleKeys if len(steps) > 1 else RulesFile).model_fields)
