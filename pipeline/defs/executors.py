"""Which of Dagster's executors runs the steps: chosen by the environment, not by editing code.

docs/deploy.md shows what each needs, and what its machines must share.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._config import validate_config

from pipeline.errors import ConfigurationError

EXECUTORS = ("in_process", "multiprocess", "celery", "k8s")


def executor_of(environ: Mapping[str, str] = os.environ) -> dg.ExecutorDefinition:
    """The executor that IMAGE_BUILDERS_EXECUTOR names, configured by the file of IMAGE_BUILDERS_EXECUTOR_CONFIG.

    Raises ConfigurationError for a name that is none, a package that is missing, and a file that does not fit.
    """
    name = environ.get("IMAGE_BUILDERS_EXECUTOR") or "in_process"
    if name not in EXECUTORS:
        raise ConfigurationError(f"IMAGE_BUILDERS_EXECUTOR is '{name}'; it can be {', '.join(EXECUTORS)}.")
    executor = _load(name)
    if not (path := environ.get("IMAGE_BUILDERS_EXECUTOR_CONFIG")):
        return executor
    config = _read(path)
    checked = validate_config(executor.config_schema.config_type, config)
    if not checked.success:
        wrong = "; ".join(error.message.rstrip(".") for error in checked.errors or ())
        raise ConfigurationError(f"{path} does not fit Dagster's {name} executor: {wrong}.")
    return executor.configured(config, name=executor.name)


def shards_of(environ: Mapping[str, str] = os.environ) -> int:
    """How many steps a run splits its targets into: IMAGE_BUILDERS_SHARDS, else 1."""
    text = environ.get("IMAGE_BUILDERS_SHARDS") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(f"IMAGE_BUILDERS_SHARDS is '{text}'; it must be a whole number from 1.")
    return int(text)


def _load(name: str) -> dg.ExecutorDefinition:
    # A process a step costs seconds a run, and one shard needs none: hence the default.
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    package = f"dagster-{name}"
    try:
        if name == "celery":
            from dagster_celery import celery_executor

            return celery_executor
        from dagster_k8s import k8s_job_executor
    except ImportError as error:
        raise ConfigurationError(
            f"IMAGE_BUILDERS_EXECUTOR is '{name}', and {package} is not installed: "
            f"pip install 'appstream-image-builders[{name}]'."
        ) from error
    return k8s_job_executor


def _read(path: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"IMAGE_BUILDERS_EXECUTOR_CONFIG names {path}, which cannot be read: {error}."
        ) from error
    if not isinstance(config, dict) or not isinstance(inner := config.get("execution", {}), dict):
        raise ConfigurationError(f"{path} must hold the executor's configuration, keys and values.")
    # In the shape of a run's configuration too, as `dagster-celery worker start -y` wants the very same file.
    return dict(inner.get("config") or {}) if "execution" in config else config
