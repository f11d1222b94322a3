"""A member that AWS adds is one line of the contract: everything else follows from it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pipeline

ROOT = Path(pipeline.__file__).parent.parent
AFTER = '        Column("display_name", TEXT, "The name to display.", "DisplayName"),\n'
LINE = '        Column("hibernation_mode", TEXT, "How it sleeps.", "Hibernation.Mode"),\n'

SCRIPT = """
import json, os, sys, warnings
from datetime import UTC, datetime, timedelta
warnings.simplefilter("ignore")
from pipeline import views
from pipeline.cli.tables_page import tables_page
from pipeline.definitions import build_definitions
from pipeline.defs.process import process_environment
from pipeline.defs.resources import ClockResource
from pipeline.defs.runs import run
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.server import ACCOUNT, Clock, Sandbox
from pipeline.views import engines, lineage
from pipeline.warehouse import Warehouse
from pipeline.windows import Window

arn = f"arn:aws:appstream:us-east-1:{ACCOUNT}:image-builder/a"
estate = FixedEstate({(ACCOUNT, "us-east-1"): [{"Name": "a", "Arn": arn, "State": "RUNNING"}]})
with Sandbox(estate, Clock()) as sandbox:
    sandbox.take_over(os.environ)
    environment = process_environment()
    for day, mode in enumerate(("light", "deep")):
        now = datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(days=day)
        estate.by_target[ACCOUNT, "us-east-1"][0]["Hibernation"] = {"Mode": mode}
        definitions = build_definitions(environment, clock=ClockResource(at=now.isoformat()))
        outcome = run(definitions, environment, Window.at("daily", now).key, {"regions": ["us-east-1"]}, day == 0)
        assert outcome.not_seen == 0, outcome
home = Warehouse(environment.warehouse)
ask = lambda sql: [list(row.values()) for row in views.query(home, sql).to_pylist()]
print(json.dumps({
    "afterwards": outcome.afterwards,
    "extra": ask("select distinct extra from image_builders"),
    "table": ask("select hibernation_mode from image_builders order by snapshot_id"),
    "current": ask("select hibernation_mode from image_builders_current"),
    "history": ask("select version, hibernation_mode, began from image_builder_history order by version"),
    "changes": ask("select field, from_value, to_value from image_builder_changes where change = 'changed'"),
    "comment": ask("select comment from duckdb_columns() where table_name = 'image_builder_history' "
                   "and column_name = 'hibernation_mode'"),
    "lineage": lineage.of_view("image_builder_history")["hibernation_mode"],
    "docs": [line for line in tables_page().splitlines() if "hibernation_mode" in line],
    "ddl": [line.strip() for line in "\\n".join(engines.script("spark", home)).splitlines()
            if "hibernation_mode string" in line],
}))
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What everything tells of the column, in a copy of the project in which one line was added."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("pipeline", "sql"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    contract = copy / "pipeline" / "contract.py"
    text = contract.read_text()
    assert AFTER in text
    contract.write_text(text.replace(AFTER, AFTER + LINE))
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "IMAGE_BUILDERS_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=copy,
        env=kept | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_whole_job_knows_it(told: dict[str, Any]) -> None:
    assert told["afterwards"] is None
    assert told["extra"] == [[None]]
    assert told["table"] == [["light"], ["deep"]]
    assert told["current"] == [["deep"]]


def test_history_and_changes_compare_it(told: dict[str, Any]) -> None:
    assert told["history"] == [[1, "light", "first_seen"], [2, "deep", "changed"]]
    assert told["changes"] == [["hibernation_mode", "light", "deep"]]


def test_documents_comments_lineage_and_other_engines_name_it(told: dict[str, Any]) -> None:
    assert told["comment"] == [["How it sleeps."]]
    assert told["lineage"] == [["image_builder_sightings", "hibernation_mode"]]
    assert "| `hibernation_mode` | string |  | `Hibernation.Mode` | How it sleeps. |" in told["docs"]
    assert told["ddl"] == ["hibernation_mode string,"]
