"""Where things are: the warehouse, and Dagster's instance ($DAGSTER_HOME where set, else beside the warehouse)."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import ConfigurationError

DEFAULT_WAREHOUSE = "warehouse"
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


def warehouse_location() -> str:
    """The warehouse's folder or URI: IMAGE_BUILDERS_WAREHOUSE, else ./warehouse."""
    return os.environ.get("IMAGE_BUILDERS_WAREHOUSE") or DEFAULT_WAREHOUSE


def prepare_home(warehouse: str) -> Path:
    """Sets DAGSTER_HOME for this process and its children, and makes the folder where it is missing.

    Raises ConfigurationError when it cannot be made.
    """
    beside = Path.cwd() if "://" in warehouse else Path(warehouse).absolute().parent
    home = Path(os.environ.get("DAGSTER_HOME") or beside / FOLDER)
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
