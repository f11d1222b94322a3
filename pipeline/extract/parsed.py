"""Reads a page from Python objects: slower, but keeps undeclared members, and says which value does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeAlias

import pyarrow as pa

from pipeline import contract
from pipeline.aws.redaction import redacted
from pipeline.extract.page import Page, refuse, show

_INT64 = range(-(2**63), 2**63)

EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""Epoch seconds that fit both Arrow's microseconds and a Python datetime: the years 1 to 9999."""


def page_of_objects(reply: dict[str, Any]) -> Page:
    """A page of a reply that is parsed already: builders as dicts, moments as numbers or datetimes.

    Slower than Arrow's reader, and without what botocore dropped, if botocore parsed it. Raises MalformedReplyError
    like `pages.read_page`.
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
    known, extra = [], []
    for index, item in enumerate(listed):
        builder, beyond = _Builder(item, index).separated()
        known.append(builder)
        extra.append(redacted(json.dumps(beyond, ensure_ascii=False, default=str)) if beyond else None)
    try:
        return Page(pa.array(known, contract.BUILDER), pa.array(extra, pa.string()), token or None, members)
    except UnicodeEncodeError:
        refuse("a string in it is not valid Unicode")


def _kind(arrow: pa.DataType) -> _Kind:
    """An Arrow type as plain Python: structs as dicts, lists as lists of one element, scalars by name."""
    if pa.types.is_struct(arrow):
        return {field.name: _kind(field.type) for field in arrow}
    return [_kind(arrow.value_type)] if pa.types.is_list(arrow) else str(arrow)


_Kind: TypeAlias = "dict[str, _Kind] | list[_Kind] | str"
_BUILDER = _kind(contract.BUILDER)


@dataclass(frozen=True)
class _Builder:
    """One image builder of a parsed reply, to be split into what the contract declares and the rest."""

    item: Any
    index: int

    def separated(self) -> tuple[dict[str, Any], dict[str, Any]]:
        known, extra = self._split(self.item, _BUILDER, "")
        if known is None or known.get("Name") is None:
            self._misfit("Name", None, "a string")
        return known, extra

    def _split(self, value: Any, kind: _Kind, path: str) -> tuple[Any, Any]:
        """The part of a value that the contract declares, and the part that goes to `extra`."""
        if value is None:
            return None, None
        if isinstance(kind, dict):
            if not isinstance(value, dict):
                self._misfit(path, value, "an object")
            known, extra = {}, {}
            for name, inner in value.items():
                if name in kind:
                    known[name], beyond = self._split(inner, kind[name], f"{path}.{name}" if path else name)
                    if beyond:
                        extra[name] = beyond
                else:
                    extra[name] = inner
            return known, extra
        if isinstance(kind, list):
            if not isinstance(value, list):
                self._misfit(path, value, "a list")
            parts = [self._split(v, kind[0], f"{path}[{i}]") for i, v in enumerate(value)]
            return [p[0] for p in parts], {str(i): p[1] for i, p in enumerate(parts) if p[1]}
        return self._scalar(value, kind, path), None

    def _scalar(self, value: Any, kind: str, path: str) -> Any:
        if kind == "string":
            if not isinstance(value, str):
                self._misfit(path, value, "a string")
        elif kind == "bool":
            if not isinstance(value, bool):
                self._misfit(path, value, "true or false")
        elif kind == "int64":
            if type(value) is not int or value not in _INT64:
                self._misfit(path, value, "a whole number")
        else:
            value = self._seconds(value)
            if value is None:
                self._misfit(path, self._at(path), "a moment in epoch seconds")
        return value

    @staticmethod
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

    def _at(self, path: str) -> Any:
        value = self.item
        for step in _steps(path):
            value = value[step]
        return value

    def _misfit(self, path: str, value: Any, wanted: str) -> NoReturn:
        name = self.item.get("Name") if isinstance(self.item, dict) else None
        who = f"image builder {show(name)}" if isinstance(name, str) else f"image builder {self.index} of the page"
        refuse(f"{path or 'the whole'} of {who} is {show(value)}, where {wanted} belongs")


def _steps(path: str) -> Iterator[str | int]:
    for part in path.split("."):
        name, *positions = part.split("[")
        yield name
        yield from (int(p.rstrip("]")) for p in positions)
