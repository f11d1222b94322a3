"""Reads the body of a reply into a page of image builders as Arrow, whole, or says what is broken in it.

The usual way is Arrow's JSON reader in C++. Where there are members that the contract does not declare, it reads the
others, and Python picks those out. A body that it still refuses (values of other types, bytes that are no page at all)
is read in Python alone, which can tell the two apart. Nothing here knows of HTTP, targets or tables.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from pipeline import contract
from pipeline.contract import member
from pipeline.extract.page import Page, refuse, show
from pipeline.extract.parsed import DEPTH, EARLIEST, LATEST, extras_of, is_deeper, page_of_objects, plain_json

_REPLY = pa.schema([("ImageBuilders", pa.list_(contract.BUILDER)), ("NextToken", pa.string())])
_STRICTLY, _LENIENTLY = (
    pyarrow.json.ParseOptions(explicit_schema=_REPLY, newlines_in_values=True, unexpected_field_behavior=behavior)
    for behavior in ("error", "ignore")
)
_TOKEN = re.compile(rb'"NextToken"\s*:\s*"([^"\\]*)"')
_SPACE = b" \t\r\n"

_MOMENTS = [c.source for _, c in contract.api_columns() if c.type == contract.MOMENT and c.source]


def read_page(body: bytes) -> Page:
    """Reads the body of one reply of status 200 (AWS JSON 1.1).

    Raises MalformedReplyError for everything that is not one whole page: HTML, an empty or cut-short body, a
    byte order mark, a missing or null `ImageBuilders`, or two of them, an error object, a builder without a name.
    """
    return next(read_pages([body]))


def read_pages(bodies: Sequence[bytes]) -> Iterator[Page]:
    """Reads several bodies, in one call where all are as expected: with small pages the call costs half of the time.

    Raises what `read_page` does, when the broken page's turn comes.
    """
    if (read := _read_by_arrow(bodies) or _read_with_extra(bodies)) is not None:
        yield from read
    elif len(bodies) == 1:
        yield _read_by_python(bodies[0])
    else:
        yield from map(read_page, bodies)


def read_all_or_none(bodies: Sequence[bytes]) -> Iterator[Page]:
    """Like `read_pages`, but raises MalformedReplyError at once where not all bodies are as expected."""
    if (read := _read_by_arrow(bodies) or _read_with_extra(bodies)) is None:
        refuse("one of several replies is not as expected")
    return iter(read)


def is_object(body: bytes) -> bool:
    """Whether a body is a JSON object of any kind."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def peek_token(body: bytes) -> str | None:
    """The NextToken of a page, guessed before the page is read; the reader compares it with the page's own.

    It is searched after the list of builders, then before it.
    """
    found = _TOKEN.search(body, body.rfind(b"]")) or _TOKEN.search(body, 0, max(0, body.find(b"[")))
    return found[1].decode("ascii", "replace") or None if found else None


def _read_with_extra(bodies: Sequence[bytes]) -> list[Page] | None:
    """The pages of bodies that have members which the contract does not declare, and nothing else that is unexpected.

    What Arrow has read of them fits, so that of the parsed objects only the other members are looked at.
    """
    read = _read_by_arrow(bodies, _LENIENTLY)
    if read is None:
        return None
    try:
        replies = [json.loads(body, parse_constant=_no_json) for body in bodies]
        return [
            replace(page, extra=pa.array(extras_of(reply.pop("ImageBuilders")), pa.string()), rest=_rest(reply))
            for page, reply in zip(read, replies, strict=True)
        ]
    except (ValueError, RecursionError):
        return None


def _rest(reply: dict[str, Any]) -> dict[str, Any]:
    """What a reply has beside its builders and its token. Raises ValueError where that makes it no page."""
    reply.pop("NextToken", None)
    if "__type" in reply:
        raise ValueError("it is an error object")
    plain_json(reply)
    return reply


def _no_json(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _read_by_arrow(bodies: Sequence[bytes], parsing: pyarrow.json.ParseOptions = _STRICTLY) -> list[Page] | None:
    if not all(map(_is_for_arrow, bodies)):
        return None
    text = b"\n".join(bodies) if len(bodies) > 1 else bodies[0]
    options = pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    try:
        replies = pyarrow.json.read_json(pa.BufferReader(text), options, parsing)
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
    pages, start = [], 0
    for size, token in zip(pc.list_value_length(listed).to_pylist(), replies["NextToken"].to_pylist(), strict=True):
        pages.append(Page(builders.slice(start, size), extra.slice(start, size), token or None, {}, is_distinct))
        start += size
    return pages


def _is_for_arrow(body: bytes) -> bool:
    # Arrow's reader (26.0) crashes the process on a body of `null`, so it gets objects only; and it checks no UTF-8.
    # Where several are read together, `}` and `{` meet at each seam, which JSON allows only between two whole values:
    # so as many objects as bodies means one of each, and none has shifted into another.
    is_object = body[:1] == b"{" and (body[-1:] == b"}" or body.rstrip(_SPACE)[-1:] == b"}")
    return is_object and (body.isascii() or _is_utf8(body))


def _read_by_python(body: bytes) -> Page:
    if not body.strip():
        refuse("its body is empty")
    try:
        reply = json.loads(
            body.decode("utf-8"),
            parse_constant=lambda text: refuse(f"{text} is not JSON"),
            parse_float=_number,
            object_pairs_hook=_members,
        )
    except UnicodeDecodeError as error:
        refuse(f"it is not UTF-8 ({error.reason} at byte {error.start})")
    except ValueError as error:
        refuse(f"it is not JSON ({error}): {show(body.decode())}")
    except RecursionError:
        refuse("it nests too deeply")
    if is_deeper(reply, DEPTH):
        refuse("it nests too deeply")
    if not isinstance(reply, dict):
        refuse(f"it is {show(reply)}, where an object belongs")
    return page_of_objects(reply)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        # Of two lists, an empty one would count as proof that all image builders are gone.
        for name in ("ImageBuilders", "NextToken"):
            if sum(member == name for member, _ in pairs) > 1:
                refuse(f"it names {name} more than once")
    return members


def _number(text: str) -> float | str:
    """A number; the text of one that is larger than any of Python's, which would be infinite, and no JSON."""
    number = float(text)
    return number if math.isfinite(number) else text


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
        # Arrow's reader accepts NaN and Infinity as numbers, and min_max ignores NaN.
        least, most = (end.as_py() for end in pc.min_max(seconds).values())
        if least is not None and not EARLIEST <= least <= most <= LATEST:
            return False
        if pc.any(pc.is_nan(seconds)).as_py():
            return False
    return True
