"""Small mistakes in a SQL file, found among sqlglot's tokens, which know of neither comments nor layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import parse_one, tokenize
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token

from tests.long.mistakes import Mistake, Span, mistakes_at

_EXCHANGED = {
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "=": "<>", "<>": "="},
    **{"and": "or", "or": "and", "desc": "asc", "union": "except"},
    **{"min": "max", "max": "min", "min_by": "max_by", "max_by": "min_by", "sum": "max"},
    **{"least": "greatest", "greatest": "least", "lag": "lead", "lead": "lag", "true": "false", "false": "true"},
}
_FUNCTIONS = {"min", "max", "min_by", "max_by", "sum", "least", "greatest", "lag", "lead"}
_CLAUSES = (
    *("where", "group by", "having", "qualify", "window", "order by", "limit", "union", "left", "join", "cross"),
    *("as", "then", ","),
)
"""Before what a condition ends."""

_OPENING, _CLOSING = {"(", "case", "["}, {")", "end", "]"}

Made = Iterator[tuple[Span, str]]


class _Tokens:
    """The tokens of a query, with where what stands in parentheses or in a `case` ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.all: list[Token] = tokenize(text, read="duckdb")
        self.words = [" ".join(text[t.start : t.end + 1].lower().split()) for t in self.all]

    def __getitem__(self, place: int) -> str:
        return self.words[place] if 0 <= place < len(self.words) else ""

    def span(self, first: int, after: int) -> Span:
        """From a token to right before another."""
        return self.all[first].start, self.all[after].start if after < len(self.all) else len(self.text)

    def only(self, place: int) -> Span:
        return self.all[place].start, self.all[place].end + 1

    def until(self, place: int, *ends: str) -> int:
        """The first token from a place on that is one of these, or that closes what the place stands in."""
        depth = 0
        while place < len(self.words):
            word = self.words[place]
            if depth == 0 and (word in ends or word in _CLOSING):
                return place
            depth += (word in _OPENING) - (word in _CLOSING)
            place += 1
        return place


def sql_mistakes(path: str, text: str) -> list[Mistake]:
    """Every mistake that can be planted in a SQL file."""
    tokens = _Tokens(text)
    # Of `between a and b`, the `and` is none.
    bounds = {tokens.until(place, "and") for place, word in enumerate(tokens.words) if word == "between"}
    found = (
        made
        for place in range(len(tokens.words))
        if place not in bounds
        for make in _MAKERS
        for made in make(tokens, place)
    )
    return [mistake for mistake in mistakes_at(path, text, found) if _is_sql(mistake.planted(text))]


def _is_sql(text: str) -> bool:
    try:
        return bool(parse_one(text, read="duckdb"))
    except ParseError:
        return False


def _exchanged(tokens: _Tokens, place: int) -> Made:
    word = tokens[place]
    if word in _EXCHANGED and (word not in _FUNCTIONS or tokens[place + 1] == "("):
        yield tokens.only(place), _EXCHANGED[word]


def _number(tokens: _Tokens, place: int) -> Made:
    if tokens[place].isdecimal() and tokens[place - 1] != "interval" and not _is_only_counted(tokens, place):
        yield tokens.only(place), str(int(tokens[place]) + 1)
        yield tokens.only(place), str(int(tokens[place]) - 1)


def _is_only_counted(tokens: _Tokens, place: int) -> bool:
    """Whether it is in `count(case when ... then 1 end)`, where every value is as good."""
    if (tokens[place - 1], tokens[place + 1], tokens[place + 2]) != ("then", "end", ")"):
        return False
    begin = place
    while tokens[begin] not in ("case", ""):
        begin -= 1
    return (tokens[begin - 2], tokens[begin - 1]) == ("count", "(")


def _first_value(tokens: _Tokens, place: int) -> Made:
    """`coalesce(a, b)` becomes `a`."""
    if tokens[place] == "coalesce":
        comma, end = tokens.until(place + 2, ","), tokens.until(place + 2)
        first = tokens.text[slice(*tokens.span(place + 2, comma))]
        yield (tokens.all[place].start, tokens.all[end].end + 1), f"({first})"


def _dropped_word(tokens: _Tokens, place: int) -> Made:
    word, is_negated = tokens[place], tokens[place - 1] in ("is", "not")
    is_plain_distinct = word == "distinct" and not is_negated
    is_plain_not = word == "not" and not is_negated and tokens[place + 1] not in ("null", "distinct")
    if is_plain_distinct or is_plain_not or (word == "left" and tokens[place + 1] == "join"):
        yield tokens.span(place, place + 1), ""
    if word == "is" and tokens[place + 1] == "not":
        yield tokens.span(place + 1, place + 2), ""
    if word == "is" and tokens[place + 1] in ("null", "distinct"):
        yield tokens.only(place), "is not"


def _ascending(tokens: _Tokens, place: int) -> Made:
    """Where nothing is said, an order is ascending; that of a whole answer is no matter of views."""
    if tokens[place] == "order by":
        end = tokens.until(place + 1, ",", "rows", "range", "limit", "desc", "asc", "nulls")
        if tokens[end] not in ("desc", "asc", "nulls") and end < len(tokens.words):
            yield (tokens.all[end - 1].end + 1, tokens.all[end - 1].end + 1), " desc"


def _condition(tokens: _Tokens, place: int) -> Made:
    """A condition of several is dropped, or the only one."""
    if tokens[place] in ("and", "or"):
        yield tokens.span(place, tokens.until(place + 1, "and", "or", *_CLAUSES)), ""
    if tokens[place] == "where":
        end = tokens.until(place + 1, "and", "or", *_CLAUSES)
        if tokens[end] == "and":
            yield tokens.span(place + 1, end + 1), ""
        elif tokens[end] != "or":
            yield tokens.span(place, end), ""


def _branch(tokens: _Tokens, place: int) -> Made:
    """A branch of a `case` is dropped, if it is not the only one."""
    end = tokens.until(place + 1, "when", "else") if tokens[place] in ("when", "else") else place
    if tokens[place] == "else" or (tokens[place] == "when" and "when" in (tokens[end], _before(tokens, place))):
        yield tokens.span(place, end), ""


def _before(tokens: _Tokens, place: int) -> str:
    """`when` if a branch stands before this one in its `case`."""
    depth = 0
    for before in range(place - 1, -1, -1):
        word = tokens[before]
        if depth == 0 and word in ("when", "case"):
            return word
        depth += (word in _CLOSING) - (word in _OPENING)
    return ""


def _partition(tokens: _Tokens, place: int) -> Made:
    """The last column of a window's partition is dropped, or the only one."""
    if tokens[place] == "partition by":
        end = tokens.until(place + 1, "order by", "rows")
        last = place
        while (comma := tokens.until(last + 1, ",", "order by", "rows")) < end:
            last = comma
        yield tokens.span(last, end), " "


_MAKERS: tuple[Callable[[_Tokens, int], Made], ...] = (
    *(_exchanged, _number, _first_value, _dropped_word, _ascending, _condition, _branch, _partition),
)
