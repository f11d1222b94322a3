"""The bytes of one reply → one page of image builders as Arrow, whole, or an error that says what is broken.

Two ways lead to the same page. The common one is Arrow's JSON reader in C++. Whatever that one refuses
(members outside the contract, types that do not fit, bytes that are no page at all) is read once more in
Python, which can tell the three apart. Nothing here knows HTTP, targets or tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any, NoReturn, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from pipeline import contract
from pipeline.aws.redaction import redacted
from pipeline.errors import MalformedReplyError

_REPLY = pa.schema([("ImageBuilders", pa.list_(contract.BUILDER)), ("NextToken", pa.string())])
_PARSING = pyarrow.json.ParseOptions(explicit_schema=_REPLY, newlines_in_values=True, unexpected_field_behavior="error")
_TOKEN = re.compile(rb'"NextToken"\s*:\s*"([^"\\]*)"')
_SHOWN = 80
_INT64 = range(-(2**63), 2**63)
# What fits both Arrow's microseconds and a Python datetime: the years 1 to 9999.
_EARLIEST, _LATEST = -62_135_596_800.0, 253_402_300_799.0
_MOMENTS = [c.source for _, c in contract.api_columns() if c.type == contract.MOMENT and c.source]


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    `builders` is a struct array of `contract.BUILDER`; `extra`, of the same length, holds as JSON what each
    builder has beyond it, or null; `rest` is what the reply has beside its builders and its token.
    """

    builders: pa.StructArray
    extra: pa.StringArray
    next_token: str | None
    rest: dict[str, Any]
    is_distinct: bool = False
    """Whether its builders are known to have an ARN each of their own."""

    def __len__(self) -> int:
        return len(self.builders)

    def kept(self, indices: list[int]) -> Page:
        """The page cut to the given run of indices (as boto3's paginator cuts: at either end only)."""
        if len(indices) == len(self):
            return self
        start = indices[0] if indices else 0
        return Page(
            self.builders.slice(start, len(indices)),
            self.extra.slice(start, len(indices)),
            self.next_token,
            self.rest,
            self.is_distinct,
        )


def read(body: bytes) -> Page:
    """Reads the body of a reply of status 200 (AWS JSON 1.1).

    Raises MalformedReplyError for everything that is not one whole page: HTML, an empty or cut-short body, a
    byte order mark, a missing or null `ImageBuilders`, an error object, a member of another type.
    """
    return next(read_many([body]))


def read_many(bodies: Sequence[bytes]) -> Iterator[Page]:
    """Reads several bodies, in one go where all are as expected: half of Arrow's time goes by the call.

    Raises what `read` does, in the broken page's turn.
    """
    if (read_pages := _read_by_arrow(bodies)) is not None:
        yield from read_pages
    elif len(bodies) == 1:
        yield _read_by_python(bodies[0])
    else:
        yield from map(read, bodies)


def read_many_at_once(bodies: Sequence[bytes]) -> Iterator[Page]:
    """As `read_many`, all of them or none. Raises MalformedReplyError where not all are as expected."""
    if (read_pages := _read_by_arrow(bodies)) is None:
        _refuse("one of several replies is not as expected")
    return iter(read_pages)


def is_object(body: bytes) -> bool:
    """Whether a body is a JSON object, of whatever kind."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def peek_token(body: bytes) -> str | None:
    """The NextToken of a page before it is read: a good guess, to be held against the page when it is.

    It is looked for beside the list of builders, behind it or before it.
    """
    found = _TOKEN.search(body, body.rfind(b"]")) or _TOKEN.search(body, 0, max(0, body.find(b"[")))
    return found[1].decode("ascii", "replace") or None if found else None


def from_objects(reply: dict[str, Any]) -> Page:
    """A page from a reply that is parsed already: builders as dicts, moments as numbers or datetimes.

    Slower than `read`, and what botocore dropped is not in it. Raises MalformedReplyError like `read`.
    """
    members = dict(reply)
    if "__type" in members:
        _refuse(f"it is an error object: {_show(members)}")
    listed = members.pop("ImageBuilders", None)
    token = members.pop("NextToken", None)
    if not isinstance(listed, list):
        _refuse(f"ImageBuilders is {_show(listed)}, where a list belongs" if "ImageBuilders" in reply
                else f"it has no ImageBuilders: {_show(reply)}")  # fmt: skip
    if not isinstance(token, str | None):
        _refuse(f"NextToken is {_show(token)}, where a string belongs")
    known, extra = [], []
    for index, item in enumerate(listed):
        builder, beyond = _Builder(item, index).separated()
        known.append(builder)
        extra.append(redacted(json.dumps(beyond, ensure_ascii=False, default=str)) if beyond else None)
    try:
        return Page(pa.array(known, contract.BUILDER), pa.array(extra, pa.string()), token or None, members)
    except UnicodeEncodeError:
        _refuse("a string in it is not valid Unicode")


def member(array: pa.Array, path: str) -> pa.Array:
    """The array of a member, by its path of structs (`VpcConfig.SubnetIds`); null where a struct is null."""
    return reduce(pc.struct_field, path.split("."), array)


def _read_by_arrow(bodies: Sequence[bytes]) -> list[Page] | None:
    if not all(map(_is_for_arrow, bodies)):
        return None
    text = b"\n".join(bodies) if len(bodies) > 1 else bodies[0]
    options = pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    try:
        replies = pyarrow.json.read_json(pa.BufferReader(text), options, _PARSING)
    except pa.ArrowInvalid:
        return None
    listed = replies["ImageBuilders"]
    if replies.num_rows != len(bodies) or listed.null_count:
        return None
    builders = listed.chunk(0).flatten()
    if builders.null_count or pc.struct_field(builders, "Name").null_count or not _moments_fit(builders):
        return None
    extra = pa.nulls(len(builders), pa.string())
    is_distinct = pc.count_distinct(pc.struct_field(builders, "Arn")).as_py() == len(builders)
    read_pages, start = [], 0
    for size, token in zip(pc.list_value_length(listed).to_pylist(), replies["NextToken"].to_pylist(), strict=True):
        read_pages.append(Page(builders.slice(start, size), extra.slice(start, size), token or None, {}, is_distinct))
        start += size
    return read_pages


def _is_for_arrow(body: bytes) -> bool:
    # Arrow's reader (26.0) crashes the process on a body of `null`: it gets objects only. Nor does it check UTF-8.
    return body[:1] == b"{" and (body.isascii() or _is_utf8(body))


def _read_by_python(body: bytes) -> Page:
    if not body.strip():
        _refuse("its body is empty")
    try:
        reply = json.loads(body.decode("utf-8"), parse_constant=lambda text: _refuse(f"{text} is not JSON"))
    except UnicodeDecodeError as error:
        _refuse(f"it is not UTF-8 ({error.reason} at byte {error.start})")
    except ValueError as error:
        _refuse(f"it is not JSON ({error}): {_show(body.decode())}")
    except RecursionError:
        _refuse("it nests too deeply")
    if not isinstance(reply, dict):
        _refuse(f"it is {_show(reply)}, where an object belongs")
    return from_objects(reply)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _moments_fit(builders: pa.StructArray) -> bool:
    for path in _MOMENTS:
        seconds = builders
        for step in path.split("[]."):
            seconds = member(seconds.flatten() if pa.types.is_list(seconds.type) else seconds, step)
        # Arrow's reader takes NaN and Infinity for numbers; the extremes pass over the former.
        least, most = (end.as_py() for end in pc.min_max(seconds).values())
        if least is not None and not _EARLIEST <= least <= most <= _LATEST:
            return False
        if pc.any(pc.is_nan(seconds)).as_py():
            return False
    return True


def _kind(arrow: pa.DataType) -> _Kind:
    """An Arrow type as plain Python: objects as dicts, lists as lists of one, the rest by name."""
    if pa.types.is_struct(arrow):
        return {field.name: _kind(field.type) for field in arrow}
    return [_kind(arrow.value_type)] if pa.types.is_list(arrow) else str(arrow)


_Kind: TypeAlias = "dict[str, _Kind] | list[_Kind] | str"
_BUILDER = _kind(contract.BUILDER)


@dataclass(frozen=True)
class _Builder:
    """One image builder of a parsed reply, to be split into what the contract knows and the rest."""

    item: Any
    index: int

    def separated(self) -> tuple[dict[str, Any], dict[str, Any]]:
        known, extra = self._split(self.item, _BUILDER, "")
        if known is None or known.get("Name") is None:
            self._misfit("Name", None, "a string")
        return known, extra

    def _split(self, value: Any, kind: _Kind, path: str) -> tuple[Any, Any]:
        """The part of a value that fits its type, and the part that the contract has no place for."""
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
        """Epoch seconds, or None for what is no moment. ISO 8601 with a zone is taken too, as botocore does."""
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                return None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                return None
            # Not .timestamp(): a float subtraction there loses microseconds of far-off years.
            value = (value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        if isinstance(value, bool) or not isinstance(value, int | float) or not _EARLIEST <= value <= _LATEST:
            return None
        return float(value)

    def _at(self, path: str) -> Any:
        value = self.item
        for step in _steps(path):
            value = value[step]
        return value

    def _misfit(self, path: str, value: Any, wanted: str) -> NoReturn:
        name = self.item.get("Name") if isinstance(self.item, dict) else None
        who = f"image builder {_show(name)}" if isinstance(name, str) else f"image builder {self.index} of the page"
        _refuse(f"{path or 'the whole'} of {who} is {_show(value)}, where {wanted} belongs")


def _steps(path: str) -> Iterator[str | int]:
    for part in path.split("."):
        name, *positions = part.split("[")
        yield name
        yield from (int(p.rstrip("]")) for p in positions)


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    text = " ".join(redacted(text).split())  # Before it is cut: half a secret is not found any more.
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"'{shown}'" if isinstance(value, str) else shown


def _refuse(why: str) -> NoReturn:
    raise MalformedReplyError(f"AWS answered 200, but the reply is no page of image builders: {why}.")
