"""The edge to this process: where its environment variables and its working directory are read, and nowhere below."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from pipeline.settings import Environment
from pipeline.settings.environment import variable


def process_environment(without: Collection[str] = ()) -> Environment:
    """The settings of this process, with the defaults for those of the names in `without`.

    Raises ConfigurationError for one that is not valid.
    """
    ignored = {variable(name) for name in without}
    variables = {name: value for name, value in os.environ.items() if name not in ignored}
    return Environment.read(variables, working_directory())


def working_directory() -> Path | None:
    """The working directory; None where it was removed or may not be read."""
    try:
        return Path.cwd()
    except OSError:
        return None
