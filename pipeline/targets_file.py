"""The targets file: its keys, what they may hold, and one clear sentence for each mistake in it.

What the keys come to, once AWS is asked, is `targets`' subject; nothing here calls anybody.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.credentials import Role
from pipeline.errors import ConfigurationError

DEFAULT_FILE = "targets.yaml"
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


def _every(value: Any) -> Any:
    if isinstance(value, str):
        if value != "all":
            raise ValueError(f"write a list, [{value}], or the word all")
        return ["*"]
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


def _hop(value: Any) -> Any:
    return {"role": value} if isinstance(value, str) else value


def _no_repeats(values: list[str]) -> list[str]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is listed twice; once is enough")
    return values


Regions = Annotated[list[str], Field(min_length=1), BeforeValidator(_every), AfterValidator(_no_repeats)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Hop(_Keys):
    """A role on the way to another."""

    role: Annotated[str, AfterValidator(_role_arn)]
    external_id: Annotated[str, AfterValidator(_external_id)] | None = None

    @property
    def as_role(self) -> Role:
        return Role(self.role, self.external_id)


Via = Annotated[list[Annotated[Hop, BeforeValidator(_hop)]], BeforeValidator(_one_or_more)]


class AccountKeys(_Keys):
    """An account that is listed."""

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


class OrganizationKeys(_Keys):
    """Accounts that AWS Organizations tells of."""

    role_name: Annotated[str, AfterValidator(_role_name)]
    external_id: Annotated[str, AfterValidator(_external_id)] | None = None
    via: Via = []
    include_ous: list[str] = []
    exclude_ous: list[str] = []
    include_accounts: list[str] = []
    exclude_accounts: list[str] = []


class TargetsFile(_Keys):
    """The targets file, validated."""

    regions: Regions | None = None
    exclude_regions: list[str] = []
    concurrency: int = Field(default=DEFAULT_CONCURRENCY, ge=1, le=1000)
    accounts: list[AccountKeys] = []
    organization: OrganizationKeys | None = None


def read_file(environ: Mapping[str, str] = os.environ) -> TargetsFile:
    """The targets file that IMAGE_BUILDERS_TARGETS names, else targets.yaml if it is there, else defaults.

    Raises ConfigurationError, naming the file, the line, the key's path, what is wrong with it and the fix.
    """
    named = environ.get("IMAGE_BUILDERS_TARGETS")
    path = Path(named or DEFAULT_FILE)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"IMAGE_BUILDERS_TARGETS names {named}, which does not exist.") from None
        return TargetsFile()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        _require_distinct_keys(str(path), root)
        content = yaml.safe_load(text)
    except (RecursionError, KeyError) as error:
        raise ConfigurationError(
            f"{path} cannot be meant: it nests too deeply, or has a tag that does not fit."
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    try:
        return TargetsFile.model_validate({} if content is None else content)
    except ValidationError as error:
        # The order is pydantic's; a reader mends the first and comes back.
        raise ConfigurationError(_sentence(str(path), root, error.errors()[0])) from None


Step = str | int


def _sentence(path: str, root: yaml.Node | None, error: Any) -> str:
    steps = _within(root, error["loc"])
    node = _at(root, steps)
    where = ".".join(str(step) for step in steps) or "the file"
    line = f" (line {node.start_mark.line + 1})" if node else ""
    return f"{path}: {where}: {_said(error, steps, node).rstrip('.')}{line}."


def _said(error: Any, steps: Sequence[Step], node: yaml.Node | None) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        keys = _keys_at(steps[:-1])
        near = difflib.get_close_matches(str(steps[-1]), keys, 1)
        return (
            f"there is no such key{f'; did you mean {near[0]}?' if near else '.'} The keys here are {', '.join(keys)}"
        )
    if kind == "missing":
        return "this key is missing"
    if kind == "string_type" and isinstance(node, yaml.ScalarNode) and given is not None:
        return f'YAML reads {node.value} as {_article(given)}: write it in quotes, "{node.value}"'
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "too_short":
        return "list one region at least, or write the word all"
    kinds = {
        "list_type": "a list",
        "string_type": "text",
        "int_type": "a whole number",
        "model_type": "keys and values",
    }
    if kind in kinds or kind == "model_attributes_type":
        return f"this must be {kinds.get(kind, 'keys and values')}"
    return str(error["msg"])


def _article(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    return "a number" if isinstance(value, int | float) else f"a {type(value).__name__}"


def _keys_at(steps: Sequence[Step]) -> list[str]:
    model: type[BaseModel] = TargetsFile
    below: dict[str, type[BaseModel]] = {"accounts": AccountKeys, "organization": OrganizationKeys, "via": Hop}
    for step in steps:
        model = below.get(str(step), model)
    return list(model.model_fields)


def _within(root: yaml.Node | None, loc: Sequence[Step]) -> list[Step]:
    """The steps of a pydantic location that are steps of the file; a `via` of one is a list only to us."""
    steps: list[Step] = []
    for step in loc:
        here = _at(root, steps)
        if isinstance(step, int) and not isinstance(here, yaml.SequenceNode):
            continue
        if isinstance(here, yaml.ScalarNode):
            break
        steps.append(step)
    return steps


def _at(root: yaml.Node | None, steps: Sequence[Step]) -> yaml.Node | None:
    """The node of a path, or the nearest above it."""
    node = root
    for step in steps:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            below = node.value[step]
        if below is None:
            return node
        node = below
    return node


def _require_distinct_keys(path: str, node: yaml.Node | None, known: set[int] | None = None) -> None:
    """Raises ConfigurationError for a key that comes twice: YAML would take the last without a word."""
    known = set() if known is None else known
    if id(node) in known:
        return  # An alias of what was looked at.
    known.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise ConfigurationError(
                    f"{path}: {key.value}: this key comes twice: join the two (line {key.start_mark.line + 1})."
                )
            seen.add(str(key.value))
            _require_distinct_keys(path, value, known)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _require_distinct_keys(path, value, known)
