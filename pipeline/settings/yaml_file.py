"""A settings file in YAML: read, held against its keys, and one clear sentence for each mistake in it.

Which keys there are is not known here: `targets_file` and `rules` say.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ConfigurationError

Step = str | int
KeysAt = Callable[[Sequence[Step]], list[str]]
"""The keys that may stand at a path of the file."""


class Keys(BaseModel):
    """Keys of a settings file: no others, and of their own types only."""

    model_config = ConfigDict(extra="forbid", strict=True)


Model = TypeVar("Model", bound=Keys)


def read_keys(model: type[Model], environ: Mapping[str, str], setting: str, default: str, keys_at: KeysAt) -> Model:
    """The file that the setting names, else the default one if it is there, else the model's own defaults.

    Raises ConfigurationError, naming the file, the line, the key's path, what is wrong with it and the fix.
    """
    named = environ.get(setting)
    path = Path(named or default)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"{setting} names {named}, which does not exist.") from None
        return model()
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
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        # The order is pydantic's; a reader mends the first and comes back.
        raise ConfigurationError(_sentence(str(path), root, error.errors()[0], keys_at)) from None


def _sentence(path: str, root: yaml.Node | None, error: Any, keys_at: KeysAt) -> str:
    steps = _within(root, error["loc"])
    node = _at(root, steps)
    where = ".".join(str(step) for step in steps) or "the file"
    line = f" (line {node.start_mark.line + 1})" if node else ""
    return f"{path}: {where}: {_said(error, steps, node, keys_at).rstrip('.')}{line}."


def _said(error: Any, steps: Sequence[Step], node: yaml.Node | None, keys_at: KeysAt) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        keys = keys_at(steps[:-1])
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
