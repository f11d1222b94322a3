"""Data tests of the views: queries for rows that should not exist.

Those of sql/tests, one a file named <view>.<test>.sql whose first comment says what holds; and those derived from the
`Key` and `Not null` lines of the views' headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pipeline.views.catalogue import views_of_files
from pipeline.views.sql_files import comment_and_query, require, sql_files
from pipeline.views.view import View


@dataclass(frozen=True)
class DataTest:
    """A query of a view's rows that fail, and the sentence that holds while there are none."""

    view: str
    name: str
    holds: str
    query: str


@cache
def data_tests() -> tuple[DataTest, ...]:
    """Every data test, by view and name. Raises ViewError for a file that does not begin with what holds."""
    of_files = [_parse(name, path.read_text(encoding="utf-8")) for name, path in sql_files("tests").items()]
    of_headers = [test for view in views_of_files() for test in _of_header(view)]
    return tuple(sorted((*of_files, *of_headers), key=lambda test: (test.view, test.name)))


def repeated_keys(name: str, key: tuple[str, ...], where: str = "true") -> str:
    """A query of the keys of a table or view that more than one row has."""
    columns = ", ".join(key)
    return (
        f"select {columns}, count(*) as rows\nfrom {name}\nwhere {where}\ngroup by {columns}\nhaving count(*) > 1\n"
        f"order by {columns}"
    )


def _of_header(view: View) -> Iterator[DataTest]:
    if view.parameters:
        return  # A table macro has no rows until it is called.
    key = ", ".join(view.key)
    yield DataTest(view.name, "unique_key", f"({key}) is unique.", repeated_keys(view.name, view.key))
    if view.not_null:
        which = " ".join(f"when {column} is null then '{column} is null'" for column in view.not_null)
        yield DataTest(
            view.name,
            "not_null",
            f"{', '.join(view.not_null)}: never null.",
            f"select {key}, case {which} end as why\nfrom {view.name}\n"
            f"where {' or '.join(f'{column} is null' for column in view.not_null)}",
        )


def _parse(stem: str, text: str) -> DataTest:
    view, _, name = stem.partition(".")
    holds, query = comment_and_query(text)
    path = f"sql/tests/{stem}.sql"
    require(bool(name), path, "the file is not named <view>.<test>.sql")
    require(bool(holds and query), path, "the file does not begin with a comment that says what holds, or has no query")
    return DataTest(view, name, holds, query)
