"""The rules of `findings` with their thresholds, the owner tags, the billed states: what findings.yaml may change.

The defaults are in sql/rules.yaml, with what each rule looks at; rules of one's own are entries of findings.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from pipeline import sql_folder
from pipeline.aws import service_model
from pipeline.errors import nearest
from pipeline.settings import conditions
from pipeline.settings.environment import Severity
from pipeline.settings.exceptions import Accepted, ExceptionKeys, accepted
from pipeline.settings.files import NO_FILE, SettingsFile
from pipeline.settings.working_hours import WorkingHoursKeys, working_hours
from pipeline.settings.yaml_file import Keys, Step, read_yaml

# YAML reads the plain word off as a truth value.
Check = Annotated[Literal["warn", "error", "off"], BeforeValidator(lambda value: "off" if value is False else value)]


@dataclass(frozen=True)
class Rule:
    """A rule of `findings`: its title, the severity of a failure, its threshold and unit if it has one, its source.

    `fails`, `passes` and `evidence` are SQL on the columns of finding_facts. `check` is the severity of its asset
    check: warn, error, or off for no check.
    """

    name: str
    title: str
    severity: str
    source: str
    threshold: float | None
    unit: str | None
    check: str
    fails: str
    passes: str
    evidence: str


@dataclass(frozen=True)
class Rules:
    """The defaults with the user's changes: rules that are enabled, owner tags, billed states, severity of checks.

    Looks that are at most `proof_hours` apart prove what lies between. `working_hours` has a row per stretch of work
    and day of the week in UTC: the day, Monday 0, the stretch's first second and the first one after it.
    """

    rules: tuple[Rule, ...]
    owner_tags: tuple[str, ...]
    billed_states: tuple[str, ...]
    checks: str
    proof_hours: float
    working_hours: tuple[tuple[int, int, int], ...]
    exceptions: tuple[Accepted, ...]


def _rule_names(given: dict[str, RuleKeys]) -> dict[str, RuleKeys]:
    known = _defaults()["rules"]
    for name, keys in given.items():
        if name in known:
            if own := [key for key in ("title", "source", "unit", "fails", "passes", "evidence") if getattr(keys, key)]:
                raise ValueError(f"{own[0]} is for rules of your own, and {name} is not: give yours another name")
            if keys.threshold is not None and "threshold" not in known[name]:
                has = ", ".join(rule for rule in known if "threshold" in known[rule])
                raise ValueError(f"the rule {name} has no threshold; those that have one are {has}")
        elif keys.fails is None:
            hint = f"did you mean {near}" if (near := nearest(name, known)) else f"the rules are {', '.join(known)}"
            raise ValueError(f"there is no rule {name}; {hint}; one of your own needs a condition, `fails`")
        elif keys.threshold is None and any(map(conditions.names_threshold, (keys.fails, keys.passes))):
            raise ValueError(f"the conditions of the rule {name} name the threshold: give it one, for instance 3")
        elif keys.title is None:
            raise ValueError(f"the rule {name} needs a title: what a failure means")
        elif not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"{name} is no name of a rule: write it in small letters, digits and _")
    return given


def _not_empty(given: list[str]) -> list[str]:
    if not given:
        raise ValueError("the list is empty: name one at least, or leave the key out for the default")
    return given


def _known_states(given: list[str]) -> list[str]:
    """An unknown state may be AWS's newest; one that is nearly a known one is mistyped."""
    known = service_model.enums()["State"]
    for state in given:
        if state not in known and (near := nearest(state, known, 0.8)):
            raise ValueError(f"there is no state {state}; did you mean {near}?")
    return given


def _in_order(given: WorkingHoursKeys) -> WorkingHoursKeys:
    working_hours(_defaults()["working_hours"], given)
    return given


class RuleKeys(Keys):
    """What findings.yaml may change of a rule."""

    enabled: bool = True
    severity: Severity | None = None
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    checks: Check | None = None
    title: str | None = None
    source: str | None = None
    unit: str | None = None
    fails: Annotated[str, AfterValidator(conditions.condition)] | None = None
    passes: Annotated[str, AfterValidator(conditions.condition)] | None = None
    evidence: Annotated[str, AfterValidator(conditions.value)] | None = None


class RulesFile(Keys):
    """findings.yaml, validated."""

    owner_tags: Annotated[list[str], AfterValidator(_not_empty)] | None = None
    billed_states: Annotated[list[str], AfterValidator(_not_empty), AfterValidator(_known_states)] | None = None
    checks: Check | None = None
    proof_hours: Annotated[float, Field(ge=1, le=168)] | None = None
    working_hours: Annotated[WorkingHoursKeys, AfterValidator(_in_order)] | None = None
    rules: Annotated[dict[str, RuleKeys], AfterValidator(_rule_names)] = {}
    exceptions: list[ExceptionKeys] = []

    @field_validator("exceptions")
    @classmethod
    def _of_known_rules(cls, given: list[ExceptionKeys], info: ValidationInfo) -> list[ExceptionKeys]:
        known = [*_defaults()["rules"], *info.data.get("rules", {})]
        for exception in given:
            if exception.rule not in known:
                near = nearest(exception.rule, known)
                hint = f"did you mean {near}?" if near else f"the rules are {', '.join(known)}"
                raise ValueError(f"there is no rule {exception.rule}; {hint}")
        return given


def read_rules(file: SettingsFile = NO_FILE) -> Rules:
    """The rules in force; without a file, the defaults. Raises ConfigurationError with the place and the fix."""
    given = read_yaml(RulesFile, file, _keys_at)
    defaults = _defaults()
    checks = given.checks or defaults["checks"]
    changes = {name: given.rules.get(name, RuleKeys.model_construct()) for name in [*defaults["rules"], *given.rules]}
    return Rules(
        tuple(
            _rule(name, defaults["rules"].get(name, {}), own, checks) for name, own in changes.items() if own.enabled
        ),
        tuple(given.owner_tags or defaults["owner_tags"]),
        tuple(given.billed_states or defaults["billed_states"]),
        checks,
        given.proof_hours or defaults["proof_hours"],
        working_hours(defaults["working_hours"], given.working_hours or WorkingHoursKeys.model_construct()),
        tuple(accepted(given.exceptions)),
    )


def _rule(name: str, default: dict[str, Any], own: RuleKeys, checks: str) -> Rule:
    threshold = default.get("threshold") if own.threshold is None else own.threshold
    fails = own.fails or default["fails"]
    return Rule(
        name,
        own.title or default["title"],
        own.severity or default.get("severity", "medium"),
        own.source or default.get("source", ""),
        None if threshold is None else float(threshold),
        own.unit or default.get("unit"),
        own.checks or checks,
        fails,
        own.passes or default.get("passes") or f"not ({fails})",
        own.evidence or default.get("evidence") or conditions.evidence_of(fails),
    )


@cache
def _defaults() -> dict[str, Any]:
    # PyYAML's reader in C, ten times as fast, where it was built with it. The errors of users' files are Python's.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: dict[str, Any] = yaml.load((sql_folder() / "rules.yaml").read_text("utf-8"), loader)
    return read


def _keys_at(steps: Sequence[Step]) -> list[str]:
    below: dict[str, type[Keys]] = {"rules": RuleKeys, "working_hours": WorkingHoursKeys, "exceptions": ExceptionKeys}
    model = below.get(str(steps[0]), RulesFile) if len(steps) > (steps[:1] == ["rules"]) else RulesFile
    return [field.alias or name for name, field in model.model_fields.items()]
