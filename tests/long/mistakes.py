"""A mistake: where it is, and what would stand there instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]
"""Where a text begins and ends in a file, in characters."""


@dataclass(frozen=True, order=True)
class Mistake:
    """One small mistake in a file: the text from `start` to `end` is replaced by `after`."""

    path: str
    """Below the root of the tree."""
    start: int
    end: int
    after: str
    told: str
    """The place and the lines in question, as they are and as they would be."""

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    def planted(self, text: str) -> str:
        """The text of the file with the mistake in it."""
        return text[: self.start] + self.after + text[self.end :]

    def __str__(self) -> str:
        return self.told


def mistakes_at(path: str, text: str, found: Iterator[tuple[Span, str]]) -> list[Mistake]:
    """The mistakes of a file, in their order, each of them once and only those that change something."""
    return [
        Mistake(path, start, end, after, _told(path, text, start, end, after))
        for (start, end), after in sorted(set(found))
        if text[start:end].split() != after.split()
    ]


def _told(path: str, text: str, start: int, end: int, after: str) -> str:
    number = text.count("\n", 0, start) + 1
    before = text[text.rfind("\n", 0, start) + 1 : start]
    rest = text[end:].partition("\n")[0]
    return f"{path}:{number}: `{_short(before + text[start:end] + rest)}` → `{_short(before + after + rest)}`"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:97]}..."
