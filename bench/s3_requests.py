"""What a warehouse in S3 costs in requests: of a question, of the command `snapshot`, of the whole job, at each age.

Counted at the sandbox's own S3. Each is asked as by a process of its own, that has read nothing before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3

from pipeline.definitions import build_definitions
from pipeline.defs.instance import prepare_home
from pipeline.defs.schedules import JOB
from pipeline.report.markdown import to_markdown
from pipeline.sandbox.server import Sandbox
from pipeline.settings import Environment
from pipeline.warehouse import Warehouse, s3_reads
from pipeline.windows import Window
from tests.support.command import image_builders
from tests.support.store import BUCKET, Store, make_bucket
from tests.support.years import grow

AGES = {"daily": (1, 10, 100, 400), "hourly": (1, 10, 100)}
WANTED = {"image_builders_current": 60, "findings": 150, "snapshot": 200, "the whole job": 2000}
"""At most, at any age, with daily windows."""


def run(folder: Path) -> str:
    """The tables of both cadences, in Markdown."""
    with Sandbox() as sandbox:
        sandbox.take_over(os.environ)
        os.environ["DAGSTER_HOME"] = str(prepare_home(str(folder / "warehouse")))
        store = make_bucket(sandbox)
        return "\n\n".join(_of_cadence(cadence, folder, store) for cadence in AGES)


def _of_cadence(cadence: str, folder: Path, store: Store) -> str:
    rows: dict[str, dict[str, object]] = {what: {"what": what} for what in WANTED}
    files: dict[str, object] = {"what": "files of a table"}
    for days in AGES[cadence]:
        location = _upload(cadence, days, folder)
        files[f"{days:,} days"] = len(Warehouse(location).storage.list("image_builders"))
        os.environ["IMAGE_BUILDERS_WAREHOUSE"] = location
        os.environ["IMAGE_BUILDERS_CADENCE"] = cadence
        asked: dict[str, Callable[[], object]] = {
            "image_builders_current": lambda: image_builders("query", "from image_builders_current"),
            "findings": lambda: image_builders("query", "from findings"),
            "snapshot": lambda: image_builders("snapshot"),
            "the whole job": lambda: _job(cadence),
        }
        for what, ask in asked.items():
            s3_reads._kept = s3_reads._Kept()
            store.reset()
            ask()
            rows[what][f"{days:,} days"] = len(store.requests)
    for what, most in WANTED.items():
        rows[what]["wanted"] = f"at most {most:,}" if cadence == "daily" else ""
    table = to_markdown([files, *rows.values()], is_markup=True)
    return f"Requests to S3, {cadence} windows, by the age of the warehouse\n\n{table}"


def _upload(cadence: str, days: int, folder: Path) -> str:
    place = folder / f"{cadence}-{days}"
    last = datetime.now(UTC) - (timedelta(days=1) if cadence == "daily" else timedelta(hours=1))
    grow(Warehouse(str(place), grace=0.0), last - timedelta(days=days), last, cadence)
    s3 = boto3.client("s3")
    for path in place.rglob("*.parquet"):
        s3.upload_file(str(path), BUCKET, f"{place.name}/{path.relative_to(place)}")
    shutil.rmtree(place)
    return f"s3://{BUCKET}/{place.name}"


def _job(cadence: str) -> None:
    definitions = build_definitions(Environment.read(os.environ, Path.cwd()))
    key = Window.at(cadence, datetime.now(UTC)).key
    definitions.resolve_job_def(JOB).execute_in_process(partition_key=key, raise_on_error=False)
