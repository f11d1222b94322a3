"""Dagster's instance: $DAGSTER_HOME where set, else beside the warehouse."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.defs.process import working_directory
from pipeline.errors import ConfigurationError

FOLDER = ".dagster"
SETTINGS = """telemetry:
  enabled: false
# No dialog that asks for an e-mail address.
nux:
  enabled: false
# The policies that say how old an asset may be.
freshness:
  enabled: true
"""


def prepare_home(warehouse: str) -> Path:
    """Sets DAGSTER_HOME for this process and its children, and creates the folder where it is missing.

    Raises ConfigurationError when it cannot be created.
    """
    beside = working_directory() if "://" in warehouse else Path(warehouse).parent
    if not os.environ.get("DAGSTER_HOME") and beside is None:
        raise ConfigurationError(
            "The working directory cannot be used: set DAGSTER_HOME to a folder for Dagster's instance."
        )
    home = Path(os.environ.get("DAGSTER_HOME") or (beside or Path()) / FOLDER)
    settings = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.write_text(SETTINGS, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"Dagster's instance {home} cannot be written ({error.strerror}): set DAGSTER_HOME to a folder that can."
        ) from error
    os.environ["DAGSTER_HOME"] = str(home.absolute())
    return home
