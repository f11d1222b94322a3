"""Dagster's instance: $DAGSTER_HOME where set, else a folder beside the warehouse, telemetry off."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = ".dagster"
SETTINGS = "telemetry:\n  enabled: false\n# No dialog that asks for an e-mail address.\nnux:\n  enabled: false\n"


def prepare_home(warehouse: str) -> Path:
    """Sets DAGSTER_HOME for this process and its children, and makes the folder where it is missing."""
    beside = Path.cwd() if "://" in warehouse else Path(warehouse).absolute().parent
    home = Path(os.environ.get("DAGSTER_HOME") or beside / FOLDER)
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(SETTINGS, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home.absolute())
    return home
