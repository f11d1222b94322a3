"""The house: which folders there are, what lies in them, and how large a room may be."""

import ast
import subprocess
from pathlib import Path

import pytest

import pipeline
from pipeline.views.sql_files import GROUPS

ROOT = Path(pipeline.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
LINES = 250


def test_the_package_itself_holds_the_ground_floor_and_folders() -> None:
    files = {path.name for path in ROOT.iterdir() if path.is_file()}
    ground_floor = {"contract.py", "errors.py", "faces.py", "shown.py", "windows.py"}
    assert files == {"__init__.py", "start.py", "definitions.py"} | ground_floor
    assert all(
        (path / "__init__.py").exists() for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"
    )


def test_every_folder_of_sql_is_known() -> None:
    others = {"questions", "tests", "report", "pictures", "checks", "alerts", "cli", "upkeep", "fold"}
    assert {path.name for path in (ROOT.parent / "sql").iterdir() if path.is_dir()} == {*GROUPS, *others}


def test_git_ignores_no_module() -> None:
    command = ["git", "check-ignore", "--no-index", *map(str, [*MODULES, *Path(__file__).parent.rglob("*.py")])]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == ""


def test_tests_mirror_the_folders() -> None:
    folders = {path.parent.relative_to(ROOT) for path in MODULES} - {Path()}
    tests = Path(__file__).parent
    assert {str(folder) for folder in folders if not list((tests / folder).glob("test_*.py"))} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_is_of_a_size_to_read(path: Path) -> None:
    text = path.read_text()
    said = ast.get_docstring(ast.parse(text))
    assert said, "what it is for"
    if len(text.splitlines()) > LINES:
        assert "one long file because" in said.splitlines()[0], "a reason for its size"


def test_no_setting_is_read_below_the_edge() -> None:
    """The environment and the working directory are read by defs and cli, and handed down as a value."""
    edge = {"defs", "cli", "sandbox"}
    for path in MODULES:
        if path.parent.name not in edge:
            text = path.read_text()
            assert "os.environ" not in text, path
            assert "getenv" not in text, path
            assert ".cwd()" not in text, path
