"""The user's settings as views: rules, states, owner tags, operating systems, own prices."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.aws import service_model
from pipeline.settings import Environment
from pipeline.settings.operating_systems import BILLED_BY_SECOND, PATTERNS
from pipeline.settings.price_file import FilePrice, read_prices
from pipeline.settings.rules import Rule, Rules, read_rules
from pipeline.views.sql_files import INTERNAL
from pipeline.views.view import View
from pipeline.warehouse.scan import quoted


@dataclass(frozen=True)
class Settings:
    """What the views take from the user's files; the defaults unless given."""

    rules: Rules = field(default_factory=read_rules)
    prices: tuple[FilePrice, ...] = ()

    @classmethod
    def read(cls, environment: Environment) -> Settings:
        """The files in force. Raises ConfigurationError for one that is not valid, with the place and the fix."""
        return cls(read_rules(environment.file("findings")), read_prices(environment.file("prices")))


def _judgements(rules: Sequence[Rule]) -> View:
    """Each image builder held against each rule, by the rules' own SQL."""
    statuses = [
        f"        when {quoted(rule.name)}\n            then case when {rule.fails} then 'fail' "
        f"when {rule.passes} then 'pass' else 'unknown' end"
        for rule in rules
    ]
    evidence = [
        f"        when {quoted(rule.name)} then coalesce(cast({rule.evidence} as varchar), 'not told')"
        for rule in rules
    ]
    of_rule = [f"case rules.rule\n{chr(10).join(whens)}\n    end" if rules else "''" for whens in (statuses, evidence)]
    facts = [f"facts.{name}" for name in ("account_id", "region", "arn", "name", "owner")]
    of_rules = [f"rules.{name}" for name in ("rule", "title", "severity", "threshold", "unit", "source")]
    columns = [*facts, *of_rules, f"{of_rule[0]} as status", f"{of_rule[1]} as evidence"]
    columns += ["facts.observed_at", "facts.is_last_look_failed"]
    listed = ",\n    ".join(columns)
    return View(
        "finding_judgements",
        INTERNAL,
        "Every image builder of finding_facts held against every rule that is in force, by the rules' own conditions.",
        "one row per image builder and rule.",
        {
            "account_id": "the AWS account",
            "region": "the AWS region",
            "arn": "the image builder",
            "name": "its name",
            "owner": "its owner, if its tags name one",
            "rule": "the rule's name",
            "title": "what a failure means",
            "severity": "how bad a failure is: low, medium or high",
            "threshold": "the rule's threshold, if it has one",
            "unit": "the threshold's unit",
            "source": "who says that it matters",
            "status": "fail, pass or unknown",
            "evidence": "what the status was read from",
            "observed_at": "when the image builder was seen",
            "is_last_look_failed": "whether the last look at its target failed, so that this tells of an earlier one",
        },
        f"select\n    {listed}\nfrom finding_facts as facts\ncross join finding_rules as rules",
        ("arn", "rule"),
    )


def settings_views(settings: Settings) -> Iterator[View]:
    """The settings as views of plain values, so that SQL can join them, in whatever engine runs it."""
    yield _values(
        "finding_rules",
        "The rules that findings checks image builders against, with their thresholds.",
        "one row per rule that is in force.",
        {
            "rule": ("VARCHAR", "the rule's name"),
            "title": ("VARCHAR", "what a failure means"),
            "severity": ("VARCHAR", "how bad a failure is: low, medium or high"),
            "threshold": ("DOUBLE", "where it begins to fail, if it has such"),
            "unit": ("VARCHAR", "the threshold's unit"),
            "source": ("VARCHAR", "who says that it matters"),
        },
        [(r.name, r.title, r.severity, r.threshold, r.unit, r.source) for r in settings.rules.rules],
    )
    yield _judgements(settings.rules.rules)
    yield _values(
        "finding_exceptions",
        "Findings that somebody has accepted: of which rule and which image builders, why, and until when.",
        "one row per exception; patterns are regular expressions, null for any.",
        {
            "rule": ("VARCHAR", "the rule's name"),
            "name_pattern": ("VARCHAR", "for the name of the image builder"),
            "account_pattern": ("VARCHAR", "for its AWS account"),
            "region_pattern": ("VARCHAR", "for its AWS region"),
            "tag_key": ("VARCHAR", "the key of a tag that it must have, in lower case"),
            "tag_pattern": ("VARCHAR", "for that tag's value"),
            "reason": ("VARCHAR", "why it is accepted"),
            "until": ("DATE", "the last day, UTC, on which it counts"),
        },
        [tuple(vars(exception).values()) for exception in settings.rules.exceptions],
    )
    yield _values(
        "image_builder_states",
        "In which states AWS bills an image builder. A state that is not here is taken not to be billed.",
        "one row per state.",
        {
            "state": ("VARCHAR", "the state, as image_builders.state"),
            "is_billed": ("BOOLEAN", "whether AWS bills an image builder in it"),
        },
        [
            (state, state in settings.rules.billed_states)
            for state in dict.fromkeys((*service_model.enums()["State"], *settings.rules.billed_states))
        ],
    )
    yield _values(
        "owner_tags",
        "The tags that name an owner.",
        "one row per tag.",
        {
            "tag_key": ("VARCHAR", "the tag's key, in lower case"),
            "rank": ("INTEGER", "which wins, where an image builder has several: the lowest"),
        },
        [(key.lower(), rank) for rank, key in enumerate(settings.rules.owner_tags)],
    )
    yield _values(
        "operating_systems",
        "By which patterns the platforms of image builders are recognized as the operating systems of prices.",
        "one row per pattern.",
        {
            "rank": ("INTEGER", "which pattern counts, where several match: the lowest"),
            "pattern": ("VARCHAR", "a regular expression for the platform in lower case"),
            "operating_system": ("VARCHAR", "the operating system, as prices know it"),
            "is_billed_by_second": ("BOOLEAN", "whether its sessions are billed by the second, not by whole hours"),
        },
        [(rank, pattern, name, name in BILLED_BY_SECOND) for rank, (pattern, name) in enumerate(PATTERNS)],
    )
    yield _values(
        "close_looks",
        "How close together two looks are that prove what lies between them.",
        "one row per warehouse.",
        {"seconds": ("BIGINT", "how far apart they are at most")},
        [(round(settings.rules.proof_hours * 3600),)],
    )
    yield _values(
        "working_hours",
        "When people work: running outside of these hours is what stopping image builders would save.",
        "one row per stretch of work and day of the week, as UTC has them.",
        {
            "weekday": ("INTEGER", "the day of the week, UTC: 0 is Monday, 6 is Sunday"),
            "from_second": ("BIGINT", "the first second of the day in it"),
            "to_second": ("BIGINT", "the first second of the day after it"),
        },
        settings.rules.working_hours,
    )
    yield _values(
        "price_file",
        "The prices of the user's own file; see prices.",
        "one row per price.",
        {
            "region": ("VARCHAR", "the AWS region; * for any"),
            "instance_type": ("VARCHAR", "the instance type, * for any; root-volume for a GB of root volume"),
            "operating_system": ("VARCHAR", "the operating system as prices know it; * for any"),
            "unit": ("VARCHAR", "hour or gb-month"),
            "usd": ("DOUBLE", "the price in US dollars"),
        },
        [(p.region, p.instance_type, p.operating_system, p.unit, p.usd) for p in settings.prices],
    )


def _values(
    name: str, purpose: str, grain: str, columns: dict[str, tuple[str, str]], rows: Iterable[Sequence[Any]]
) -> View:
    """A view of plain values; of no rows where there are none."""
    listed = [f"    ({', '.join(_literal(value) for value in row)})" for row in rows]
    typed = ",\n".join(f"    cast(rows.{column} as {kind}) as {column}" for column, (kind, _) in columns.items())
    nothing = f"    ({', '.join('null' for _ in columns)})"
    query = (
        f"select\n{typed}\nfrom (\n    values\n"
        + ",\n".join(listed or [nothing])
        + f"\n) as rows ({', '.join(columns)})"
    )
    if not listed:
        query += "\nwhere false"
    return View(name, "internal", purpose, grain, {column: meaning for column, (_, meaning) in columns.items()}, query)


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(str(value)) if isinstance(value, str | datetime.date) else repr(value)
