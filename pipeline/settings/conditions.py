"""The SQL of rules: a condition on an image builder, or what it was read from. Bound before anything is asked by it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from pipeline.contract import IMAGE_BUILDERS
from pipeline.errors import nearest

if TYPE_CHECKING:
    from sqlglot import exp

THRESHOLD = "threshold"
"""The number of a rule, which its conditions may name."""

_KNOWN_BESIDE = {
    "is_last_look_failed": pa.bool_(),
    "owner": pa.string(),
    "is_billed": pa.bool_(),
    "hours_low": pa.float64(),
    "hours_seen": pa.float64(),
    "hours_high": pa.float64(),
    "seen": pa.string(),
    "endpoints": pa.int64(),
    "errors": pa.int64(),
    "error_code": pa.string(),
    THRESHOLD: pa.float64(),
}
"""What a condition may name beside the columns of image_builders: those of sql/internal/finding_facts.sql, which a test
compares, and the rule's threshold.
"""


@functools.cache
def facts() -> dict[str, pa.DataType]:
    """The columns that a condition may name, with their types."""
    return {column.name: column.type for column in IMAGE_BUILDERS.columns} | _KNOWN_BESIDE


def condition(text: str) -> str:
    """The text, if it is a condition. Raises ValueError, with what is wrong, else."""
    return _bound(text, "a condition")


def value(text: str) -> str:
    """The text, if it is an expression that can be told as text. Raises ValueError, with what is wrong, else."""
    return _bound(text, "an expression")


def names_threshold(text: str | None) -> bool:
    """Whether a condition names the rule's threshold."""
    if text is None:
        return False
    from sqlglot import exp

    return any(c.name.lower() == THRESHOLD for c in _parsed(text, "a condition").find_all(exp.Column))


def evidence_of(text: str) -> str:
    """An expression that tells the columns that a condition names, and what is in them."""
    from sqlglot import exp

    names = dict.fromkeys(column.name for column in _parsed(text, "a condition").find_all(exp.Column))
    told = [f"'{name} is ', coalesce(cast({name} as varchar), 'not told')" for name in names if name != THRESHOLD]
    joined = ", ', ', ".join(told)
    return f"concat({joined})" if told else "'by its condition'"


def _bound(text: str, what: str) -> str:
    from sqlglot import exp

    parsed = _parsed(text, what)
    if parsed.find(exp.Query, exp.AggFunc, exp.Window, exp.Unnest, exp.Star):
        raise ValueError(f"{what} is on one image builder, and asks nothing else: leave out select, sums and the like")
    for column in parsed.find_all(exp.Column):
        if column.table or column.name.lower() not in facts():
            near = nearest(column.name.lower(), facts())
            hint = f"did you mean {near}?" if near else "`image-builders query --describe finding_facts` tells which"
            raise ValueError(f"there is no column {column.sql()}; {hint}")
    # As the view has it, on two rows, one all null: what DuckDB converts only when it meets a value is met here.
    some = {name: "some text" if pa.types.is_string(kind) else None for name, kind in facts().items()}
    rows = {name: pa.array([some[name], None], kind) for name, kind in facts().items() if name != THRESHOLD}
    with duckdb.connect() as connection:
        connection.register("facts", pa.table(rows))
        connection.register("rules", pa.table({"rule": ["x"], THRESHOLD: pa.array([None], pa.float64())}))
        told = f"case rules.rule when 'x' then {text} end"
        try:
            found = connection.sql(f"select facts.name, {told} as told from facts cross join rules")
            is_condition = str(found.types[1]) == "BOOLEAN" if found else False
            connection.execute(f"select facts.name, cast({told} as varchar) from facts cross join rules").fetchall()
        except duckdb.Error as error:
            raise ValueError(f"this is no {what.split()[-1]} ({str(error).splitlines()[0]})") from None
    if what == "a condition" and not is_condition:
        raise ValueError("this is no condition: it is neither true nor false, but a value")
    return text


def _parsed(text: str, what: str) -> exp.Expr:
    import sqlglot  # Only rules of one's own need it, and it takes longer to import than a question to answer.

    try:
        (selected,) = sqlglot.parse_one(f"select {text}", dialect="duckdb").expressions
    except (sqlglot.errors.SqlglotError, ValueError):
        raise ValueError(f"this is no SQL of {what}") from None
    found: exp.Expr = selected
    return found
