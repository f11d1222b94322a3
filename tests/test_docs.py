"""What the documents and the package promise: that it is true, and all there."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from pipeline.cli.commands import demo, dictionary
from pipeline.contract import TABLES
from pipeline.defs import instance
from pipeline.views import database as views
from pipeline.views import questions
from tests.conftest import Looker, builder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_data_dictionary_is_up_to_date() -> None:
    assert (ROOT / "docs" / "tables.md").read_text() == dictionary.dictionary(), "run `make docs`"


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["pandas", "polars", "pyarrow"])
def test_the_notebook_lines_of_the_readme_work(snippet: str, looker: Callable[..., Looker]) -> None:
    looker(builder("a", VpcConfig={"SubnetIds": ["s"]}, DisableIMDSV1=True)).publish()
    assert len([line for line in snippet.splitlines() if line]) == 4
    exec(compile(snippet, "README.md", "exec"), {})


def test_every_column_describes_itself_to_pyarrow(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    for table in TABLES:
        schema = ds.dataset(f"{look.warehouse.location}/{table.name}", partitioning="hive").schema
        assert all(schema.field(c.name).metadata[b"description"] for c in table.columns)


@pytest.mark.parametrize("query", re.findall(r'image-builders query "(.*?)"', README))
def test_the_queries_of_the_readme_work(query: str, looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    views.query(look.warehouse, query)


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "docs/deploy.md", "docs/warehouse.md", "docs/tables.md", "docs/questions.md"],
)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_readmes_demo_asks_what_the_demo_asks() -> None:
    saved = questions.questions({"IMAGE_BUILDERS_QUESTIONS": ""})
    shown = [name for name in demo.QUESTIONS if f"\n{saved[name].text}\n\n" in README]
    assert shown == ["running-all-week", "findings-by-rule"]
    for name in shown:
        assert f"{saved[name].text}\n\n{demo._indented(saved[name].query)}\n\n" in README


def test_the_readmes_settings_and_prices_are_ones_that_work() -> None:
    from pipeline.extract import price_list as prices
    from pipeline.settings import rules

    Path("findings.yaml").write_text(README.split("```yaml\n# findings.yaml")[1].split("```")[0].partition("\n")[2])
    assert {r.name: r.threshold for r in rules.read_rules({}).rules}["running_too_long"] == 12
    Path("prices.csv").write_text("instance_type," + README.split("```\ninstance_type,")[1].split("```")[0])
    assert len(prices.read_file({})) == 3


def test_every_module_and_view_is_named_in_the_readme() -> None:
    modules = {p.name for p in (ROOT / "pipeline").glob("*.py")} - {"__init__.py"}
    named_elsewhere = {"markdown.py", "model.py", "errors.py", "threads.py", "dictionary.py", "answers.py"}
    named_elsewhere |= {"sql_folder.py", "redaction.py"}
    assert {name for name in modules - named_elsewhere if f"`{name}`" not in README} == set()
    helpers = {"image_builder_sightings", "image_builder_spans"}
    assert {v.name for v in views.of_sql_folder() if f"`{v.name}" not in README} == helpers


def test_versions_are_pinned_without_an_index() -> None:
    lines = [n for n in (ROOT / "constraints.txt").read_text().splitlines() if not n.startswith("#")]
    assert len(lines) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    dagster = {
        n.split("==")[1] for n in lines if re.match(r"dagster(-webserver|-dg-cli|-graphql|-pipes|-shared)?==", n)
    }
    assert len(dagster) == 1, "Dagster's core and libraries move in lockstep"


def test_the_repositorys_own_instance_is_the_one_the_command_line_makes() -> None:
    tracked = subprocess.run(["git", "ls-files", ".dagster"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ROOT / ".dagster" / "dagster.yaml").read_text() == instance.SETTINGS
    assert tracked.stdout.split() in ([".dagster/dagster.yaml"], []), "the rest of an instance is nobody's but its own"


def test_no_module_below_the_edge_imports_dagster() -> None:
    edge = {"assets", "checks", "schedules", "resources", "definitions", "executors", "runs", "sensors"}
    edge |= {"view_assets", "view_checks", "price_assets", "report_asset"}
    sources = {p.stem: p.read_text() for p in (ROOT / "pipeline").glob("**/*.py")}
    importers = {name for name, text in sources.items() if re.search(r"^\s*(import|from) dagster", text, re.MULTILINE)}
    assert importers == edge


def test_a_wheel_carries_the_views_and_works_anywhere(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"pipeline/sql/{p.name}" for p in (ROOT / "sql").glob("*.sql")} <= set(names)
    assert not [n for n in names if n.startswith(("tests/", "bench/", "sql/"))]
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True, capture_output=True
    )
    script = "import pipeline, pipeline.views as v; print(pipeline.__file__, len(v.of_sql_folder()))"
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert told == [str(tmp_path / "site" / "pipeline" / "__init__.py"), str(len(views.of_sql_folder()))]
