"""The targets file: its keys, and what each may hold.

Which accounts and regions that comes to, once AWS is asked, is the subject of `targets`; nothing here makes a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from pipeline.aws.credentials import Role
from pipeline.settings.files import NO_FILE, SettingsFile
from pipeline.settings.yaml_file import Keys, Step, read_yaml

DEFAULT_CONCURRENCY = 32

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_ROLE_NAME = re.compile(r"[\w+=,.@/-]+", re.ASCII)
# Source: the STS API reference, AssumeRole, ExternalId.
_EXTERNAL_ID = re.compile(r"[\w+=,.@:\\/-]{2,1224}", re.ASCII)


def _account_id(value: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ValueError(f"'{value}' is no account id: that is twelve digits, in quotes")
    return value


def _role_arn(value: str) -> str:
    if not _ROLE_ARN.fullmatch(value):
        raise ValueError(f"'{value}' is no role's ARN: that is arn:aws:iam::<account id>:role/<name>")
    return value


def _role_name(value: str) -> str:
    if not _ROLE_NAME.fullmatch(value) or value.endswith("/"):
        raise ValueError(f"'{value}' is no role's name: give the name alone, each account has its own ARN")
    return value.removeprefix("/")


def _external_id(value: str) -> str:
    if not _EXTERNAL_ID.fullmatch(value):
        raise ValueError("it has characters that AWS does not allow in an external id, or is shorter than 2")
    return value


def _all_as_glob(value: Any) -> Any:
    if isinstance(value, str):
        if value != "all":
            raise ValueError(f"write a list, [{value}], or the word all")
        return ["*"]
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


def _as_keys(value: Any) -> Any:
    return {"role": value} if isinstance(value, str) else value


def _no_repeats(values: list[str]) -> list[str]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is listed twice; once is enough")
    return values


Regions = Annotated[list[str], Field(min_length=1), BeforeValidator(_all_as_glob), AfterValidator(_no_repeats)]


class Hop(Keys):
    """A role to assume on the way to another role."""

    role: Annotated[str, AfterValidator(_role_arn)]
    external_id: Annotated[str, AfterValidator(_external_id)] | None = None

    @property
    def as_role(self) -> Role:
        return Role(self.role, self.external_id)


Via = Annotated[list[Annotated[Hop, BeforeValidator(_as_keys)]], BeforeValidator(_as_list)]


class AccountKeys(Keys):
    """An account that the file lists."""

    id: Annotated[str, AfterValidator(_account_id)]
    name: str | None = None
    role: Annotated[str, AfterValidator(_role_arn)] | None = None
    external_id: Annotated[str, AfterValidator(_external_id)] | None = None
    via: Via = []
    regions: Regions | None = None
    exclude_regions: list[str] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> AccountKeys:
        if self.role is None and (self.external_id or self.via):
            raise ValueError("external_id and via are for a role: give the role too, or leave them out")
        if self.role is not None and self.as_roles[-1].account_id != self.id:
            raise ValueError(
                f"the role is one of account {self.as_roles[-1].account_id}, not of {self.id}: give a role of this "
                "account, or its id"
            )
        return self

    @property
    def as_roles(self) -> tuple[Role, ...]:
        own = (Role(self.role, self.external_id),) if self.role else ()
        return (*(hop.as_role for hop in self.via), *own)


class OrganizationKeys(Keys):
    """Which accounts of an AWS organization to look at, and the role to assume in each."""

    role_name: Annotated[str, AfterValidator(_role_name)]
    external_id: Annotated[str, AfterValidator(_external_id)] | None = None
    via: Via = []
    include_ous: list[str] = []
    exclude_ous: list[str] = []
    include_accounts: list[str] = []
    exclude_accounts: list[str] = []


class TargetsFile(Keys):
    """The targets file, validated."""

    regions: Regions | None = None
    exclude_regions: list[str] = []
    concurrency: int = Field(default=DEFAULT_CONCURRENCY, ge=1, le=1000)
    accounts: list[AccountKeys] = []
    organization: OrganizationKeys | None = None
    tags: bool = False


def read_targets(file: SettingsFile = NO_FILE, tags: bool | None = None) -> TargetsFile:
    """The targets file, validated; the defaults where there is none. `tags`, where given, overrides the file's.

    Raises ConfigurationError, naming the file, the line, the key's path, what is wrong with it and the fix.
    """
    targets = read_yaml(TargetsFile, file, _keys_at)
    return targets if tags is None else targets.model_copy(update={"tags": tags})


def _keys_at(steps: Sequence[Step]) -> list[str]:
    model: type[BaseModel] = TargetsFile
    below: dict[str, type[BaseModel]] = {"accounts": AccountKeys, "organization": OrganizationKeys, "via": Hop}
    for step in steps:
        model = below.get(str(step), model)
    return list(model.model_fields)
