"""Reads a page from Python objects: slower, but keeps what the contract has no column for.

That is undeclared members, and values of another type than their column has.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pyarrow as pa

from pipeline import contract
from pipeline.aws.redaction import redacted
from pipeline.extract.page import Page, refuse, show

DEPTH = 100
"""Lists and objects within each other that a reply may have; an image builder has four."""

_SHALLOW = 50
"""Likewise, one after another or within each other, up to which what is not declared needs no closer look."""

_INT64 = range(-(2**63), 2**63)

EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""Epoch seconds that fit both Arrow's microseconds and a Python datetime: the years 1 to 9999."""


def page_of_objects(reply: dict[str, Any]) -> Page:
    """A page of a reply that is parsed already: builders as dicts, moments as numbers or datetimes.

    Slower than Arrow's reader, and without what botocore dropped, if botocore parsed it. A value that does not fit its
    column is null there, and kept in `extra`. Raises MalformedReplyError like `pages.read_page`.
    """
    members = dict(reply)
    if "__type" in members:
        refuse(f"it is an error object: {show(members)}")
    listed = members.pop("ImageBuilders", None)
    token = members.pop("NextToken", None)
    if not isinstance(listed, list):
        refuse(f"ImageBuilders is {show(listed)}, where a list belongs" if "ImageBuilders" in reply
                else f"it has no ImageBuilders: {show(reply)}")  # fmt: skip
    if not isinstance(token, str | None):
        refuse(f"NextToken is {show(token)}, where a string belongs")
    if token is not None and not _is_unicode(token):
        refuse(f"NextToken is {show(token)}, which is not valid Unicode")
    known, extra = [], []
    for index, item in enumerate(listed):
        builder, beyond = _separated(item, index)
        known.append(builder)
        extra.append(redacted(as_json(beyond)) if beyond else None)
    return Page(pa.array(known, contract.BUILDER), pa.array(extra, pa.string()), token or None, members)


def extras_of(builders: list[dict[str, Any]]) -> list[str | None]:
    """Of each image builder the members that the contract does not declare, as JSON, or None, where all others fit
    their columns. Raises ValueError for what is to be read with more care.
    """
    texts: dict[str, str] = {}  # What AWS has added is often the same for all.
    found: list[str | None] = []
    for builder in builders:
        beyond = _beyond(builder, _BUILDER_NAMES)
        if beyond is None:
            found.append(None)
            continue
        key = repr(beyond)
        if key not in texts:
            texts[key] = redacted(plain_json(beyond))
        found.append(texts[key])
    return found


def plain_json(value: Any) -> str:
    """JSON, as `as_json` writes it. Raises ValueError where it may be deep, or has a number that no float holds."""
    text = _encode(value)
    if text.count("{") + text.count("[") > _SHALLOW:
        raise ValueError("it may be deep")
    return text if _is_unicode(text) else as_json(value)


def is_deeper(value: Any, most: int) -> bool:
    """Whether a value has more lists and objects within each other."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most + 1):
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one)
                 if isinstance(each, dict | list)] if level else []  # fmt: skip
    return bool(level)


def as_json(value: Any) -> str:
    """JSON that is valid Unicode: half a surrogate pair, which JSON can escape, stays escaped."""
    try:
        text = _encode(value)
    except ValueError:  # CBOR has numbers that JSON has not.
        value = json.loads(json.dumps(value, default=str), parse_constant=str)
        text = json.dumps(value, ensure_ascii=False)
    return text if _is_unicode(text) else json.dumps(value, default=str)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(arrow: pa.DataType) -> _Kind:
    """An Arrow type as plain Python: structs as dicts, lists as lists of one element, scalars by name."""
    if pa.types.is_struct(arrow):
        return {field.name: _kind(field.type) for field in arrow}
    return [_kind(arrow.value_type)] if pa.types.is_list(arrow) else str(arrow)


_Kind: TypeAlias = "dict[str, _Kind] | list[_Kind] | str"
_BUILDER = _kind(contract.BUILDER)

_encode = json.JSONEncoder(ensure_ascii=False, default=str, allow_nan=False).encode


@dataclass(frozen=True)
class _Names:
    """The declared members of an object, and those of them that hold objects themselves, with whether in a list."""

    all: frozenset[str]
    of_objects: tuple[tuple[str, bool, _Names], ...]

    @classmethod
    def of(cls, kind: _Kind) -> _Names:
        assert isinstance(kind, dict)
        below = []
        for name, each in kind.items():
            inner = each[0] if isinstance(each, list) else each
            if isinstance(inner, dict):
                below.append((name, isinstance(each, list), cls.of(inner)))
        return cls(frozenset(kind), tuple(below))


_BUILDER_NAMES = _Names.of(_BUILDER)


def _beyond(value: dict[str, Any], names: _Names) -> dict[str, Any] | None:
    """The members of an object that are not declared; the same as `_split` where all that are declared fit."""
    found = None
    if not value.keys() <= names.all:
        found = {name: inner for name, inner in value.items() if name not in names.all}
    for name, is_list, inner in names.of_objects:
        below = value.get(name)
        if not below or (not (is_list or inner.of_objects) and below.keys() <= inner.all):
            continue
        if is_list:
            parts = [(str(position), _beyond(each, inner)) for position, each in enumerate(below) if each]
            beyond = {position: part for position, part in parts if part}
        else:
            beyond = _beyond(below, inner) or {}
        if beyond:
            found = {**(found or {}), name: beyond}
    return {name: found[name] for name in value if name in found} if found and len(found) > 1 else found


def _separated(item: Any, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """One image builder of a parsed reply: what has a column, and the rest. Without a name, nothing can be known."""
    if not isinstance(item, dict | None):
        refuse(f"image builder {index} of the page is {show(item)}, where an object belongs")
    name = (item or {}).get("Name")
    if not isinstance(name, str):
        refuse(f"Name of image builder {index} of the page is {show(name)}, where a string belongs")
    if not _is_unicode(name):
        refuse(f"Name of image builder {index} of the page is {show(name)}, which is not valid Unicode")
    known, extra = _split(item, _BUILDER)
    return known, extra or {}


def _split(value: Any, kind: _Kind) -> tuple[Any, Any]:
    """What of a value has a column, and what goes to `extra`: null, and all of it, where it does not fit."""
    if value is None:
        return None, None
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return None, value
        known, extra = {}, {}
        for name, inner in value.items():
            if name in kind:
                known[name], beyond = _split(inner, kind[name])
                if beyond is not None:
                    extra[name] = beyond
            else:
                extra[name] = inner
        return known, extra or None
    if isinstance(kind, list):
        if not isinstance(value, list):
            return None, value
        parts = [_split(inner, kind[0]) for inner in value]
        beyond_of = {str(position): beyond for position, (_, beyond) in enumerate(parts) if beyond is not None}
        return [known for known, _ in parts], beyond_of or None
    fitting = _SCALARS[kind](value)
    return fitting, value if fitting is None else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and _is_unicode(value) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    """A whole number, however it is written: 200.0 is 200."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and value in _INT64 else None


def _seconds(value: Any) -> float | None:
    """Epoch seconds; None for what is no moment. ISO 8601 with a zone is accepted too, as botocore does."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return None
        # Not .timestamp(): it subtracts floats, which loses microseconds of far-off years.
        value = (value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not EARLIEST <= value <= LATEST:
        return None
    return float(value)


_SCALARS: dict[str, Callable[[Any], Any]] = {"string": _text, "bool": _flag, "int64": _count, "double": _seconds}
"""What makes a value of a column's type of a value of a reply, by the type; None where it is none."""
