"""docs/develop.md walked as it is written: its files laid down in a copy, its commands run, their output compared."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.warehouse import Warehouse

ROOT = Path(pipeline.__file__).parent.parent
PAGE = ROOT / "docs" / "develop.md"
AFTER = re.compile(r'^        Column\("is_imdsv1_disabled".*\n', re.MULTILINE)
COMMAND = "import sys; from pipeline.cli import program; sys.argv[0] = 'image-builders'; program()"

# No line but these says more than one thing: a file, the commands, what they print.
BLOCK = re.compile(r"^```(?P<kind>\w+)(?: (?P<path>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def laid_down(folder: Path, path: str, text: str) -> None:
    file = folder / path
    if path != "pipeline/contract.py":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return
    file.write_text(AFTER.sub(lambda line: line[0] + text, file.read_text(), count=1))


def walk(folder: Path, warehouse: str) -> str:
    """The page with what its commands print in a copy of the package, where its files are laid down."""
    for part in ("pipeline", "sql"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    environ = os.environ | {"PYTHONPATH": str(folder), "IMAGE_BUILDERS_WAREHOUSE": warehouse}

    def told(block: re.Match[str]) -> str:
        if block["path"]:
            laid_down(folder, block["path"], block["text"])
        if block["kind"] != "console":
            return block[0]
        said = ""
        for line in (line for line in block["text"].splitlines() if line.startswith("$ ")):
            shell = line.removeprefix("$ ").replace("image-builders", f'"{sys.executable}" -c "{COMMAND}"', 1)
            done = subprocess.run(
                shell, shell=True, cwd=folder, env=environ, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (line, done.stderr)
            said += f"{line}\n{done.stdout.rstrip()}\n"
        return f"```console\n{said}```"

    return BLOCK.sub(told, PAGE.read_text())


@pytest.mark.slow
def test_the_walk_tells_what_the_page_shows(week: Warehouse, tmp_path: Path) -> None:
    assert walk(tmp_path / "copy", week.location) == PAGE.read_text()
    assert {match["path"] for match in BLOCK.finditer(PAGE.read_text()) if match["path"]} == {
        *("sql/questions/large.sql", "sql/usage/platform_usage.sql", "findings.yaml", "pipeline/contract.py")
    }
