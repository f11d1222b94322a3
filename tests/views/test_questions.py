"""Saved questions, and docs/questions.md, which shows each with its real answer."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlglot

from pipeline import views
from pipeline.cli.questions_page import ASKED, questions_page
from pipeline.errors import ConfigurationError
from pipeline.views import questions
from pipeline.views.questions import question
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, settings_of
from tests.support.command import image_builders
from tests.support.replay import Look, replay

DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]
SHIPPED = questions.questions()


def test_the_questions_have_the_answers_that_the_document_shows(week: Warehouse) -> None:
    assert (ROOT / "docs" / "questions.md").read_text() == questions_page(week), "run `make docs`"


@pytest.mark.parametrize("name", SHIPPED)
def test_each_question_is_one_and_has_an_answer(name: str, week: Warehouse) -> None:
    assert SHIPPED[name].text.endswith("?")
    asked = SHIPPED[name]
    assert views.query(week, asked.query, parameters=asked.values(ASKED.get(name, []))).num_rows > 0
    assert "limit" not in asked.query, "a question does not cut its answer"
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
    own = settings_of({"IMAGE_BUILDERS_QUESTIONS": str(tmp_path)}).file("questions")
    with pytest.raises(ConfigurationError, match=r"There is no SQL in the file .*empty\.sql\."):
        question("empty", own)


def test_a_file_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "bytes.sql").write_bytes(b"select '\xff'")
    (tmp_path / "empty.sql").write_text("-- Why?\n")
    (tmp_path / "folder.sql").mkdir()
    (tmp_path / "nonsense.sql").write_text("-- What?\nselect )((")
    (tmp_path / "mine.sql").write_text("-- Mine?\nselect 1")
    environ = {"IMAGE_BUILDERS_QUESTIONS": str(tmp_path)}
    own = settings_of(environ).file("questions")
    assert set(questions.questions(own)) == set(SHIPPED) | {"mine", "nonsense"}
    assert len(list(questions.unreadable(own))) == 3
    listed = image_builders("query", "--list", "--format", "csv", **environ)
    assert (listed.returncode, "@mine" in listed.stdout, len(listed.stderr.splitlines())) == (0, True, 3)
    assert "it is no text in UTF-8" in listed.stderr


def test_a_question_takes_parameters_with_defaults() -> None:
    one = question("one-builder")
    assert one.values() == {"name": "blender-03"}
    assert one.values(["name=a=b"]) == {"name": "a=b"}
    assert question("gone").values(["days=0.5"]) == {"days": 0.5}
    assert "name=blender-03" in one.described


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("gone", ["days=many"], "days is 'many'; it must be a number, 3 for instance."),
        ("gone", ["day=1"], "There is no parameter day; @gone takes days."),
        ("errors", ["day=1"], "There is no parameter day; @errors takes none."),
        ("gone", ["3"], "'3' is no parameter; write NAME=VALUE."),
        ("gone", ["days=1", "days=2"], "The parameter days is given twice; give it once."),
    ],
)
def test_a_parameter_that_does_not_fit_is_told(name: str, given: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        question(name).values(given)
    assert str(error.value) == said


@pytest.mark.parametrize(
    "line", ["-- Parameter: days", "-- Parameter: days number = many: of", "-- Parameter: no text = a: b"]
)
def test_a_parameter_that_is_declared_wrongly_is_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(f"-- Mine?\n{line}\nselect $days")
    with pytest.raises(ConfigurationError, match=r"mine\.sql.* declares|is declared in .*mine\.sql"):
        question("mine", settings_of({"IMAGE_BUILDERS_QUESTIONS": str(tmp_path)}).file("questions"))


def test_who_is_back_is_not_gone_and_a_denied_rerun_is_not_seen(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path), grace=0.0)
    first, second = builder("back", CreatedTime=0), builder("back", CreatedTime=1)
    stays_away = builder("away", CreatedTime=0)
    for day, seen in enumerate([[first, stays_away], [], [second]]):
        replay(home, NOON + day * DAY, {"us-east-1": Look(seen)})
    gone = question("gone")
    assert views.query(home, gone.query, parameters=gone.values())["name"].to_pylist() == ["away"]
    replay(home, NOON + 2 * DAY + DAY / 24, {"us-east-1": Look(None)})
    assert views.query(home, question("not-seen").query)["status"].to_pylist() == ["denied"]
