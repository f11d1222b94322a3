"""One page of a listing as Arrow. How it is read from bytes is `pages`' subject."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.aws.redaction import redacted
from pipeline.errors import MalformedReplyError

_SHOWN = 80
"""Characters of a reply that an error message quotes."""


@dataclass(frozen=True)
class Page:
    """Some image builders of a target.

    `builders` is a struct array of `contract.BUILDER`; `extra`, of the same length, has the members that the contract
    does not declare, as JSON, or null; `rest` is what the reply has beside its builders and its token.
    """

    builders: pa.StructArray
    extra: pa.StringArray
    next_token: str | None
    rest: dict[str, Any]
    is_distinct: bool = False
    """Whether each builder is known to have an ARN of its own."""

    def __len__(self) -> int:
        return len(self.builders)

    def names(self) -> list[str]:
        """The names of its image builders."""
        names: list[str] = pc.struct_field(self.builders, "Name").to_pylist()
        return names

    def kept(self, indices: list[int]) -> Page:
        """The page cut to a run of indices: boto3's paginator cuts at either end only."""
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


def refuse(reason: str) -> NoReturn:
    """Raises MalformedReplyError."""
    raise MalformedReplyError(f"AWS answered 200, but the reply is no page of image builders: {reason}.")


def show(value: Any) -> str:
    """The beginning of a value of a reply on one line, without secrets, for an error message."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    # An error message is kept as UTF-8, which has no half of a surrogate pair.
    text = text.encode("utf-8", "backslashreplace").decode()
    text = " ".join(redacted(text).split())  # Redacted before it is cut: half a secret would not be recognized.
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"'{shown}'" if isinstance(value, str) else shown
