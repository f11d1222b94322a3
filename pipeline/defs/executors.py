"""Which of Dagster's executors runs the steps: chosen by settings, not by editing code.

docs/deploy.md shows what each needs, and what its machines must share.
"""

from typing import Any

import dagster as dg
import yaml
from dagster._config import validate_config

from pipeline.errors import ConfigurationError, missing_extra
from pipeline.settings import Environment


def executor_of(environment: Environment) -> dg.ExecutorDefinition:
    """The executor that IMAGE_BUILDERS_EXECUTOR names, configured by the file of IMAGE_BUILDERS_EXECUTOR_CONFIG.

    Raises ConfigurationError for a package that is missing, and a file that does not fit.
    """
    executor = _load(environment.executor)
    file = environment.file("executor_config")
    text = file.text()
    if text is None:
        return executor
    config = _parse(text, file.name)
    checked = validate_config(executor.config_schema.config_type, config)
    if not checked.success:
        wrong = "; ".join(error.message.rstrip(".") for error in checked.errors or ())
        raise ConfigurationError(f"{file.name} does not fit Dagster's {environment.executor} executor: {wrong}.")
    return executor.configured(config, name=executor.name)


def _load(name: str) -> dg.ExecutorDefinition:
    # The default, because a process a step costs seconds a run, and one shard needs none.
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    try:
        if name == "celery":
            from dagster_celery import celery_executor

            found: dg.ExecutorDefinition = celery_executor
            return found
        from dagster_k8s import k8s_job_executor
    except ImportError as error:
        raise missing_extra(f"The executor '{name}' (IMAGE_BUILDERS_EXECUTOR)", name, error) from error
    executor: dg.ExecutorDefinition = k8s_job_executor
    return executor


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(config, dict) or not isinstance(inner := config.get("execution", {}), dict):
        raise ConfigurationError(f"{name} must hold the executor's configuration, keys and values.")
    # A run's configuration is accepted too, because `dagster-celery worker start -y` reads the same file.
    return dict(inner.get("config") or {}) if "execution" in config else config
