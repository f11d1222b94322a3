"""The edge to this process: where its environment variables and its working directory are read, and nowhere below."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Collection
from pathlib import Path

from pipeline.errors import WarehouseError
from pipeline.settings import Environment
from pipeline.settings.environment import variable
from pipeline.warehouse import Warehouse
from pipeline.windows import Window


def process_environment(without: Collection[str] = ()) -> Environment:
    """The settings of this process, with the defaults for those of the names in `without`.

    Raises ConfigurationError for one that is not valid.
    """
    ignored = {variable(name) for name in without}
    variables = {name: value for name, value in os.environ.items() if name not in ignored}
    return Environment.read(variables, working_directory())


def settled(environment: Environment, ask_bucket: bool = False) -> Environment:
    """The settings with the cadence in force: the one that is set, else that of the newest snapshot, else daily.

    A bucket is asked only where the caller says so: to load definitions must make no calls.
    """
    is_local = "://" not in environment.warehouse
    if environment.cadence is not None or not (is_local or ask_bucket):
        return environment
    try:
        cadence = Warehouse.of(environment).cadence()
    except WarehouseError:
        if ask_bucket:
            raise
        cadence = None  # A run will say what is the matter with it.
    return environment.model_copy(update={"cadence": cadence})


def executes_a_run() -> bool:
    """Whether this process was started to execute a run or a step of one, by an executor or a launcher of Dagster's."""
    is_child = multiprocessing.parent_process() is not None
    return is_child or any(argument.startswith("execute_") for argument in sys.argv[1:4])


def known_windows(environment: Environment) -> list[Window] | None:
    """The windows of which the warehouse holds a snapshot; None where it is not on this machine, or cannot be read."""
    if "://" in environment.warehouse:
        return None
    try:
        return Warehouse.of(environment).windows()
    except WarehouseError:
        return None


def working_directory() -> Path | None:
    """The working directory; None where it was removed or may not be read."""
    try:
        return Path.cwd()
    except OSError:
        return None
