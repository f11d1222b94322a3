"""Which columns of a table a terminal has room for, and how wide each of them is."""

from __future__ import annotations

from collections.abc import Iterator

LEAST = 8
"""Characters that a column always has, where its cells have as many."""

CUTS = (40, 24, 16)
"""Characters at which text is cut where not all of it fits: the most that lets every column be there, else the last."""

GAP = 2
"""Characters between two columns."""


def fitting_widths(natural: list[int], headers: list[int], is_cut: list[bool], width: int) -> list[int]:
    """Each column's width; 0 where it is left out.

    `natural` are the widths at which nothing is cut, `headers` those of the headers, `is_cut` says whose cells may be.
    """
    if total(natural) <= width:
        return natural
    for most in CUTS:
        cut = [
            max(header, min(full, most), min(full, LEAST)) if may else full
            for full, header, may in zip(natural, headers, is_cut, strict=True)
        ]
        if total(cut) <= width:
            return _widened(cut, natural, width)
    kept: list[int] = []
    for n in _from_both_ends(len(cut)):
        if total([*(cut[k] for k in kept), cut[n], 1]) > width:
            break
        kept.append(n)
    if not kept:
        kept, cut[0] = [0], max(width - GAP - 1, 1)  # A terminal narrower than a single column.
    chosen = sorted(kept)
    widened = _widened([cut[n] for n in chosen], [natural[n] for n in chosen], width - GAP - 1)
    by_place = dict(zip(chosen, widened, strict=True))
    return [by_place.get(n, 0) for n in range(len(cut))]


def total(widths: list[int]) -> int:
    """The width of columns of these widths beside each other."""
    return sum(widths) + GAP * (len(widths) - 1)


def _from_both_ends(count: int) -> Iterator[int]:
    """Two places from the left for each from the right: what a table is about tends to stand first."""
    left, right = 0, count - 1
    while left <= right:
        for _ in range(2):
            if left <= right:
                yield left
                left += 1
        if left <= right:
            yield right
            right -= 1


def _widened(cut: list[int], natural: list[int], width: int) -> list[int]:
    """What is left of the width goes to the columns that were cut, the first ones first."""
    left = width - total(cut)
    widened: list[int] = []
    for now, full in zip(cut, natural, strict=True):
        more = max(0, min(left, full - now))
        left -= more
        widened.append(now + more)
    return widened
