"""Every IMAGE_BUILDERS_ variable: its type, default and meaning, declared once.

Read once, where a program starts (cli, defs), and handed down as a value: nothing below reads the process environment
or the working directory. The command line's help and docs/settings.md are made from the fields below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigurationError
from pipeline.settings import values
from pipeline.settings.files import NO_FILE, SettingsFile

PREFIX = "IMAGE_BUILDERS_"

_PATHS = ("targets", "findings", "prices", "questions", "executor_config")

Executor = Literal["in_process", "multiprocess", "celery", "k8s"]
Severity = Literal["low", "medium", "high"]


Switch = Annotated[bool, BeforeValidator(values.on_or_off), Field(strict=True)]


class Environment(BaseModel):
    """The settings of this project. Paths are absolute, with `~` resolved; nothing is read from them here.

    The description of a field is its line in the help; `json_schema_extra["default"]` words a default that is no
    constant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warehouse: str = Field(default="warehouse", description="the warehouse: a folder or an s3:// URI")
    s3_kms_key: str | None = Field(
        default=None,
        description="the KMS key of what is written to S3: its id, ARN or alias",
        json_schema_extra={"default": "the bucket's own"},
    )
    targets: Path | None = Field(
        default=None, description="the targets file", json_schema_extra={"default": "targets.yaml if it exists"}
    )
    cadence: Literal["daily", "hourly"] | None = Field(
        default=None,
        description="daily or hourly windows, UTC",
        json_schema_extra={"default": "that of the newest snapshot, else daily"},
    )
    first_window: Annotated[date, BeforeValidator(values.strict_day)] | None = Field(
        default=None,
        description="the day with which Dagster's partitions begin",
        json_schema_extra={"default": "that of the first snapshot; 2026-01-01 on an object store"},
    )
    tags: Switch | None = Field(
        default=None,
        description="on or off: ask for tags, so that cost and findings have an owner",
        json_schema_extra={"default": "the targets file's tags, else off"},
    )
    findings: Path | None = Field(
        default=None,
        description="rules, thresholds, owner tags, billed states: a YAML file",
        json_schema_extra={"default": "findings.yaml if it exists"},
    )
    prices: Path | None = Field(
        default=None,
        description="prices of your own, which win over AWS's: a CSV file",
        json_schema_extra={"default": "prices.csv if it exists"},
    )
    questions: Literal[""] | Path | None = Field(
        default=None,
        description="a folder of saved questions of your own; empty for none",
        json_schema_extra={"default": "questions if it exists"},
    )
    slack_webhook: str | None = Field(
        default=None, repr=False, description="Slack's incoming webhook, for the alert sensor; a secret"
    )
    webhook: str | None = Field(default=None, repr=False, description="any other webhook, which gets JSON; a secret")
    alert_severity: Severity = Field(
        default="low", description="low, medium or high: the least severity of findings that alerts tell of"
    )
    schedule: Switch = Field(
        default=False, description="on or off: Dagster's schedules are switched on when they are loaded"
    )
    fail_unseen: Literal["never", "any", "all"] = Field(
        default="never",
        description="never, any or all: a run fails, after its commit, when any or all of its targets were not seen",
    )
    look_deadline: Annotated[int, BeforeValidator(values.strict_number)] = Field(
        default=900,
        ge=1,
        le=86_400,
        description="seconds that a look at one target may take, retries and all; planning and the price list likewise",
    )
    keep_days: Annotated[int, BeforeValidator(values.strict_number)] | None = Field(
        default=None,
        ge=3,
        description="days that looks are kept; the asset retention forgets older ones, but the newest at each target",
        json_schema_extra={"default": "all are kept"},
    )
    keep_runs_days: Annotated[int, BeforeValidator(values.strict_number)] = Field(
        default=90, ge=1, description="days that Dagster's runs are kept after their end, with their events and logs"
    )
    asset_owners: Annotated[tuple[str, ...], BeforeValidator(values.owners)] = Field(
        default=(),
        description="who owns the assets in Dagster's catalog: e-mail addresses and team:NAME, with commas between",
        json_schema_extra={"default": ""},
    )
    asset_tags: Annotated[tuple[tuple[str, str], ...], BeforeValidator(values.key_values)] = Field(
        default=(),
        description="tags of the assets in Dagster's catalog: KEY=VALUE, with commas between, domain=cad for instance",
        json_schema_extra={"default": ""},
    )
    executor: Executor = Field(
        default="in_process",
        description="in_process, multiprocess, celery or k8s: Dagster's executor for the steps of a run",
    )
    executor_config: Path | None = Field(default=None, description="that executor's configuration: a YAML file")
    shards: Annotated[int, BeforeValidator(values.strict_number)] = Field(
        default=1, ge=1, description="extract steps that a run's targets are split into"
    )
    folder: Path | None = Field(
        default=None, exclude=True, description="the working directory, None where it cannot be used"
    )

    @classmethod
    def read(cls, environ: Mapping[str, str], folder: Path | None = None) -> Environment:
        """The settings of a process environment. `folder` is the working directory, None where it cannot be used.

        An empty variable counts as unset, but for IMAGE_BUILDERS_QUESTIONS, which then means no folder.
        Raises ConfigurationError with the variable, its value and what it may be; and for a path that is relative to
        a working directory that cannot be used.
        """
        given: dict[str, Any] = {}
        for name in cls.names():
            value = environ.get(variable(name))
            if value or (value is not None and name == "questions"):
                given[name] = value
        try:
            read = cls(folder=folder, **given)
        except ValidationError as error:
            raise ConfigurationError(_sentence(error.errors()[0], given)) from None
        for name in ("warehouse", *_PATHS):
            if folder is None and name in given and given[name] and _is_relative(getattr(read, name)):
                raise ConfigurationError(
                    f"The working directory cannot be used, and {variable(name)} is relative to it: give the full "
                    "path, or change to a directory that exists."
                )
        return read

    @classmethod
    def names(cls) -> Iterator[str]:
        """The fields that are variables."""
        return (name for name, field in cls.model_fields.items() if not field.exclude)

    @model_validator(mode="before")
    @classmethod
    def _make_paths_absolute(cls, given: dict[str, Any]) -> dict[str, Any]:
        folder = given.get("folder")
        resolved = dict(given)
        for name in _PATHS:
            if given.get(name):
                resolved[name] = _absolute(given[name], folder)
        warehouse = given.get("warehouse") or cls.model_fields["warehouse"].default
        resolved["warehouse"] = warehouse if "://" in str(warehouse) else str(_absolute(warehouse, folder))
        return resolved

    @property
    def window_cadence(self) -> Literal["daily", "hourly"]:
        """The cadence in force, once the warehouse has been asked for its own (`defs.process.settled`)."""
        return self.cadence or "daily"

    def file(self, name: str) -> SettingsFile:
        """The file, or folder, of a setting: the one that is named, else the default one in the working directory."""
        named: Path | Literal[""] | None = getattr(self, name)
        if named is None and name in DEFAULT_FILES:
            default = DEFAULT_FILES[name]
            return SettingsFile(self.folder / default if self.folder else None, default)
        if not named:
            return NO_FILE
        is_below = self.folder is not None and named.is_relative_to(self.folder)
        shown = named.relative_to(self.folder) if self.folder and is_below else named
        return SettingsFile(named, str(shown), variable(name))


DEFAULT_FILES = {
    "targets": "targets.yaml",
    "findings": "findings.yaml",
    "prices": "prices.csv",
    "questions": "questions",
}
"""What is used, where it exists, when the setting is not given."""


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"{PREFIX}{name.upper()}"


def described() -> list[tuple[str, str, str]]:
    """Each variable with its meaning and its default, in words."""
    rows = []
    for name in Environment.names():
        field = Environment.model_fields[name]
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = extra.get("default", field.default)
        words = {None: "", False: "off", True: "on"}
        shown = words[default] if default is None or isinstance(default, bool) else str(default)
        rows.append((variable(name), str(field.description), shown))
    return rows


def _absolute(given: str | Path, folder: Path | None) -> Path:
    path = Path(given)
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{given}: there is no home folder of that name; give the full path.") from None
    return folder / path if folder else path


def _is_relative(path: str | Path) -> bool:
    return "://" not in str(path) and not Path(path).is_absolute()


def _sentence(error: Any, given: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    value = given.get(name)
    if error["type"] == "literal_error":
        options = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"{variable(name)} is '{value}'; it is one of: {options}."
    if error["type"] == "bool_type":
        return f"{variable(name)} is '{value}'; it is one of: on, off."
    if name == "first_window":
        return f"{variable(name)} is '{value}'; it must be a day, 2026-11-25 for instance."
    if error["type"] == "value_error":
        return f"{variable(name)} is '{value}': {error['ctx']['error']}."
    if name == "look_deadline":
        return f"{variable(name)} is '{value}'; it must be a whole number of seconds from 1 to 86400."
    if name in ("shards", "keep_days", "keep_runs_days"):
        least = 3 if name == "keep_days" else 1
        return f"{variable(name)} is '{value}'; it must be a whole number from {least}."
    return f"{variable(name)} is '{value}': {error['msg']}."
