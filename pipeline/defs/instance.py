"""Dagster's instance: $DAGSTER_HOME where set, else beside the warehouse."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import sqlalchemy.exc
import yaml

from pipeline.defs.process import working_directory
from pipeline.errors import ConfigurationError, InstanceError

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


@contextlib.contextmanager
def told_of_instance(home: Path) -> Iterator[None]:
    """What keeps Dagster from using its instance is raised as one sentence: ConfigurationError for its settings,
    InstanceError for its files.
    """
    try:
        yield
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        dg.DagsterInvalidConfigError,
        dg.DagsterInvariantViolationError,
    ) as error:
        raise ConfigurationError(
            f"Dagster's settings {home / 'dagster.yaml'} cannot be used ({_first_line(error)}): mend that file, or set "
            "DAGSTER_HOME to another folder."
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise InstanceError(
            f"Dagster's instance {home} cannot be used ({_first_line(error)}): make room there, or set DAGSTER_HOME to "
            "another folder; one that is damaged can be moved away, and is made anew."
        ) from error


def _first_line(error: Exception) -> str:
    told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return told.splitlines()[0].rstrip(".:")


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
