"""Headers of view files: what is not valid in one is a sentence with the file's path, from every command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline
from pipeline.errors import ViewError
from pipeline.views import catalogue
from pipeline.views.view import parse
from tests.support import Looker, builder
from tests.support.command import failed, image_builders

HEADER = """-- What it is for.
--
-- Grain: one row per thing.
-- Key: a
-- Columns:
--   a: the thing,
--     and more of it
--   image_builders.*: as there

select a, 1 as left_out from things
"""


def test_a_header_says_what_a_view_is() -> None:
    view = parse("things_again", "usage", HEADER.replace("-- Columns", "-- Not null: a, state\n-- Columns"))
    assert (view.group, view.purpose, view.grain) == ("usage", "What it is for.", "one row per thing.")
    assert (view.key, view.not_null) == (("a",), ("a", "state"))
    assert view.columns["a"] == "the thing, and more of it"
    assert list(view.columns)[:3] == ["a", "snapshot_id", "account_id"]
    assert view.query.startswith("select\n    a,\n    snapshot_id,"), "just the columns of the header"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("-- Grain", "-- Grains", "the file does not begin with purpose, Grain, Key and Columns (CONTRIBUTING.md)."),
        ("-- Key: a\n", "", "the file does not begin with purpose, Grain, Key and Columns (CONTRIBUTING.md)."),
        ("-- Key: a", "-- Key: b", "Key or Not null names b, which is no column of the view."),
        ("a: the thing", "a the thing", "the column a the thing, has no description."),
        ("--   a: the thing,\n", "", "the line '--     and more of it' continues no column."),
    ],
)
def test_a_header_that_is_not_valid_is_one_sentence_with_its_path(before: str, after: str, sentence: str) -> None:
    with pytest.raises(ViewError) as error:
        parse("things", "usage", HEADER.replace(before, after))
    assert str(error.value) == f"sql/usage/things.sql: {sentence}"


def forget() -> None:
    """What is read of sql/ once for each process."""
    catalogue.views_of_files.cache_clear()
    catalogue._catalogue.cache_clear()


@pytest.mark.parametrize(
    "arguments", [("query", "--list"), ("query", "select 1"), ("sql", "--dialect", "spark"), ("report",)]
)
def test_every_command_says_so(
    arguments: tuple[str, ...],
    looker: Callable[..., Looker],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looker(builder("a")).publish()
    copied = tmp_path / "copied"
    shutil.copytree(Path(str(pipeline.sql_folder())), copied)
    (copied / "usage" / "wrong.sql").write_text("select 1\n")
    monkeypatch.setattr("pipeline.views.sql_files.sql_folder", lambda: copied)
    forget()
    try:
        failed(image_builders(*arguments), 2, "sql/usage/wrong.sql: the file does not begin with purpose, Grain, Key")
    finally:
        forget()
