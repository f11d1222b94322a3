"""Data tests of the views: queries for the rows that should not be there, one a file in sql/tests.

A file is named <view>.<test>.sql, and its first comment says what holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pipeline.views.sql_files import comment_and_query, sql_files


@dataclass(frozen=True)
class DataTest:
    """A query of a view's rows that fail, and the sentence that holds while there are none."""

    view: str
    name: str
    holds: str
    query: str


@cache
def data_tests() -> tuple[DataTest, ...]:
    """Every data test. Raises ValueError for a file that does not begin with what holds."""
    return tuple(_parse(name, path.read_text(encoding="utf-8")) for name, path in sql_files("tests").items())


def _parse(stem: str, text: str) -> DataTest:
    view, _, name = stem.partition(".")
    holds, query = comment_and_query(text)
    if not (name and holds and query):
        raise ValueError(f"sql/tests/{stem}.sql is not <view>.<test>.sql, or does not begin with what holds")
    return DataTest(view, name, holds, query)
