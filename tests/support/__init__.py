"""What the tests share: image builders and estates to look at, a looker without Dagster, settings, known histories."""

from tests.support.estates import (
    NOON,
    OneEach,
    Organization,
    StartSandbox,
    builder,
    plan_of,
    role_arn,
    settings_of,
    target,
    write_targets,
)
from tests.support.looker import Looker, estate_of

__all__ = [
    "NOON",
    "Looker",
    "OneEach",
    "Organization",
    "StartSandbox",
    "builder",
    "estate_of",
    "plan_of",
    "role_arn",
    "settings_of",
    "target",
    "write_targets",
]
