"""Saved questions, and docs/questions.md, which shows each with its real answer."""

from pathlib import Path

import pytest
import sqlglot

from pipeline import views
from pipeline.cli.questions_page import questions_page
from pipeline.errors import ConfigurationError
from pipeline.views import questions
from pipeline.views.questions import question
from pipeline.warehouse import Warehouse
from tests.support import settings_of

ROOT = Path(__file__).parents[2]
SHIPPED = questions.questions()


def test_the_twenty_questions_have_the_answers_that_the_document_shows(week: Warehouse) -> None:
    assert len(SHIPPED) == 20
    assert (ROOT / "docs" / "questions.md").read_text() == questions_page(week), "run `make docs`"


@pytest.mark.parametrize("name", SHIPPED)
def test_each_question_is_one_and_has_an_answer(name: str, week: Warehouse) -> None:
    assert SHIPPED[name].text.endswith("?")
    assert views.query(week, SHIPPED[name].query).num_rows > 0
    sqlglot.transpile(SHIPPED[name].query, read="duckdb", write="trino", unsupported_level=sqlglot.ErrorLevel.RAISE)


def test_ones_own_questions_stand_beside_those_that_are_shipped_and_win(tmp_path: Path) -> None:
    folder = tmp_path / "questions"
    folder.mkdir()
    (folder / "mine.sql").write_text("select 1 as one;\n")
    (folder / "errors.sql").write_text("-- Ours?\n-- Really?\nselect 2 as two")
    own = settings_of().file("questions")
    assert question("mine", own).query == "select 1 as one"
    assert (question("errors", own).text, question("errors", own).query) == ("Ours? Really?", "select 2 as two")
    assert set(questions.questions(own)) == set(SHIPPED) | {"mine"}
    none = settings_of({"IMAGE_BUILDERS_QUESTIONS": ""}).file("questions")
    assert set(questions.questions(none)) == set(SHIPPED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("runing-all-week", "There is no saved question @runing-all-week; did you mean @running-all-week?"),
        ("zzz", "There is no saved question @zzz; `image-builders query --list` tells which there are."),
    ],
)
def test_a_question_that_is_not_there_is_told(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        question(name)
    assert str(error.value) == said


def test_a_folder_that_is_not_there_and_a_file_without_sql_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="IMAGE_BUILDERS_QUESTIONS names nowhere, which is no folder"):
        questions.questions(settings_of({"IMAGE_BUILDERS_QUESTIONS": "nowhere"}).file("questions"))
    (tmp_path / "empty.sql").write_text("-- Why?\n")
    with pytest.raises(ConfigurationError, match=r"empty\.sql has no SQL in it"):
        questions.questions(settings_of({"IMAGE_BUILDERS_QUESTIONS": str(tmp_path)}).file("questions"))
