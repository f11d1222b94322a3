"""How much is tried by tests that try at random: little in `make test`, much in `make test-long`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get("TEST_LONG") == "1"
"""Read once, for tests clear the environment."""

SEED = int(os.environ.get("TEST_SEED", "1"))


def examples(few: int, many: int) -> settings:
    """Hypothesis's settings of a test that tries so many examples."""
    checks = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)
    return settings(max_examples=many if LONG else few, deadline=None, suppress_health_check=checks)


def often(few: int, many: int) -> int:
    return many if LONG else few
