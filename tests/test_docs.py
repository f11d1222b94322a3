"""What the documents and the package promise: that it is true, and all there."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import boto3
import pyarrow.dataset as ds
import pytest

from pipeline import views
from pipeline.cli import demo
from pipeline.cli.documents import settings_page
from pipeline.cli.tables_page import tables_page
from pipeline.contract import TABLES
from pipeline.defs import instance
from pipeline.settings.price_file import read_prices
from pipeline.settings.rules import read_rules
from pipeline.settings.targets_file import read_targets
from pipeline.views import questions
from pipeline.views.catalogue import views_of_files
from pipeline.warehouse import Warehouse
from tests.support import Looker, builder, settings_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGES["notebooks.md"], re.DOTALL)


def test_the_generated_documents_are_up_to_date() -> None:
    assert PAGES["tables.md"] == tables_page(), "run `make docs`"
    assert PAGES["settings.md"] == settings_page(), "run `make docs`"


def test_the_readme_is_a_front_door_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= 180
    assert {name for name in PAGES if f"(docs/{name})" not in README} == set()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["pandas", "polars", "pyarrow", "s3"])
def test_the_lines_for_notebooks_work(
    snippet: str, looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = looker(builder("a", VpcConfig={"SubnetIds": ["s"]}, DisableIMDSV1=True))
    if "S3FileSystem" in snippet:
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")  # The sandbox is no https, and polars asks for that.
        boto3.client("s3").create_bucket(Bucket="lake")
        look = replace(look, warehouse=Warehouse("s3://lake"))
    look.publish()
    exec(compile(snippet, "notebooks.md", "exec"), {})


def test_every_column_describes_itself_to_pyarrow(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    for table in TABLES:
        schema = ds.dataset(f"{look.warehouse.location}/{table.name}", partitioning="hive").schema
        assert all(schema.field(c.name).metadata[b"description"] for c in table.columns)


@pytest.mark.parametrize("query", re.findall(r'image-builders query "(.*?)"', README + PAGES["views.md"]))
def test_the_queries_of_the_documents_work(query: str, looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    views.query(look.warehouse, query)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", *(f"docs/{name}" for name in PAGES)])
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_readmes_demo_asks_what_the_demo_asks() -> None:
    saved = questions.questions()
    shown = [name for name in demo.QUESTIONS if f"\n{saved[name].text}\n\n" in README]
    assert shown == ["running-all-week", "not-seen"]
    for name in shown:
        assert f"{saved[name].text}\n\n{demo._indented(saved[name].query)}\n\n" in README


def test_the_documents_settings_and_prices_are_ones_that_work() -> None:
    page = PAGES["cost-and-findings.md"]
    Path("findings.yaml").write_text(page.split("```yaml\n# findings.yaml")[1].split("```")[0].partition("\n")[2])
    assert {r.name: r.threshold for r in read_rules(settings_of().file("findings")).rules}["running_too_long"] == 12
    Path("prices.csv").write_text("instance_type," + page.split("```\ninstance_type,")[1].split("```")[0])
    assert len(read_prices(settings_of().file("prices"))) == 3
    for text in (README, PAGES["targets.md"]):
        Path("targets.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
        assert read_targets(settings_of().file("targets")).organization


def test_every_folder_and_view_is_named_in_the_documents() -> None:
    folders = {p.name for p in (ROOT / "pipeline").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert {name for name in folders if f"`{name}/`" not in PAGES["design.md"]} == set()
    assert {v.name for v in views_of_files() if f"### {v.name}" not in PAGES["tables.md"]} == set()


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


@pytest.mark.slow
def test_a_wheel_carries_the_views_and_works_anywhere(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    shipped = [p.relative_to(ROOT) for p in (ROOT / "sql").rglob("*") if p.is_file()]
    assert {f"pipeline/{path}" for path in shipped} | {"pipeline/report/report.html.j2"} <= set(names)
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "pipeline").rglob("*.py")} <= set(names)
    assert not [n for n in names if n.startswith(("tests/", "bench/", "sql/"))]
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True, capture_output=True
    )
    script = "import pipeline, pipeline.views as v; print(pipeline.__file__, len(v.all_views()))"
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert told == [str(tmp_path / "site" / "pipeline" / "__init__.py"), str(len(views.all_views()))]
