"""A settings file in YAML: read, validated, and one clear sentence with place and fix for each mistake in it.

Which keys a file may have is not known here: `targets_file` and `rules` declare that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ConfigurationError, nearest
from pipeline.settings.files import SettingsFile

Step = str | int
KeysAt = Callable[[Sequence[Step]], list[str]]
"""The keys that are allowed at a path of the file."""


class Keys(BaseModel):
    """A group of keys of a settings file: unknown keys are refused, and so are values of another type."""

    # Most have no such file, and need not wait for its validator to be made.
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


Model = TypeVar("Model", bound=Keys)


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are those of JSON: PyYAML would also read 1:30 as 90, 010 as 8 and 1_0 as 10 (YAML 1.1)."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)\Z"),
    list("-+0123456789"),
)


def read_yaml(model: type[Model], file: SettingsFile, keys_at: KeysAt) -> Model:
    """The file, validated; the model's own defaults where there is no file. `keys_at` gives the keys of a path.

    Raises ConfigurationError, naming the file, the line, the key's path, what is wrong with it and the fix.
    """
    text = file.text()
    if text is None:
        return model.model_construct()
    try:
        root = yaml.compose(text, _Loader)
        _require_distinct_keys(file.name, root)
        _require_unicode(file.name, root)
        content = yaml.load(text, _Loader)
    except (RecursionError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise ConfigurationError(
            f"{file.name} cannot be understood: it nests too deeply, or has a tag that does not fit."
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"{file.name} is not YAML: {' '.join(str(error).split())}.") from error
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        # Pydantic's first; the reader corrects it and is told of the next.
        raise ConfigurationError(_sentence(file.name, root, error.errors()[0], keys_at)) from None


def _sentence(path: str, root: yaml.Node | None, error: Any, keys_at: KeysAt) -> str:
    steps = _within(root, error["loc"])
    node = _at(root, steps)
    where = ".".join(str(step) for step in steps) or "the file"
    line = f" (line {node.start_mark.line + 1})" if node else ""
    return f"{path}: {where}: {_reason(error, steps, node, keys_at).rstrip('.')}{line}."


def _reason(error: Any, steps: Sequence[Step], node: yaml.Node | None, keys_at: KeysAt) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        keys = keys_at(steps[:-1])
        near = nearest(str(steps[-1]), keys)
        return f"there is no such key{f'; did you mean {near}?' if near else '.'} The keys here are {', '.join(keys)}"
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
        "float_type": "a number",
        "date_type": "a date, 2027-03-31 for instance",
        "dict_type": "keys and values",
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
    """The steps of a pydantic location that exist in the file: a validator may have made a list of a single value."""
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
    """The YAML node of a path, or the nearest one above it."""
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


def _require_unicode(path: str, node: yaml.Node | None, known: set[int] | None = None) -> None:
    """Raises ConfigurationError for half a surrogate pair, which an escape can write and no file can hold."""
    known = set() if known is None else known
    if node is None or id(node) in known:
        return
    known.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        if any("\ud800" <= c <= "\udfff" for c in node.value):
            raise ConfigurationError(f"{path}: a text has half a character (line {node.start_mark.line + 1}).")
        return
    below = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
    for each in below:
        _require_unicode(path, each, known)


def _require_distinct_keys(path: str, node: yaml.Node | None, known: set[int] | None = None) -> None:
    """Raises ConfigurationError for a key that comes twice: YAML would silently take the last."""
    known = set() if known is None else known
    if id(node) in known:
        return  # An alias of a node that was checked already.
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
