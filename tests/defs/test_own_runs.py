"""Runs of the command line in Dagster's pages: found there, and ended when their process was killed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from pipeline import views
from pipeline.cli.demo import fill
from pipeline.cli.demo_estate import REGIONS
from pipeline.defs.instance import prepare_home
from pipeline.defs.own_runs import FOLDER, KILLED, end_killed
from pipeline.defs.schedules import JOB
from pipeline.sandbox.faults import Fault
from pipeline.settings import Environment
from tests.support import Looker, builder
from tests.support.command import COMMAND, image_builders, image_builders_process

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]


def runs_of(look: Looker) -> list[dg.DagsterRun]:
    prepare_home(look.warehouse.location)
    with dg.DagsterInstance.get() as instance:
        return list(instance.get_runs())


def test_a_run_of_the_command_line_is_where_the_jobs_page_and_the_timeline_look(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    assert image_builders("snapshot").returncode == 0
    (run,) = runs_of(look)
    assert run.job_name == JOB
    assert run.remote_job_origin
    assert run.remote_job_origin.location_name == "image-builders"
    assert run.tags_for_storage()[".dagster/repository"] == "__repository__@image-builders"
    assert list((prepare_home(look.warehouse.location) / FOLDER).iterdir()) == []


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_ended_by_the_next_and_others_are_left(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.sandbox.appstream.faults.append(Fault("latency", value=8.0))
    with subprocess.Popen([COMMAND, "snapshot"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
        home = prepare_home(look.warehouse.location)
        deadline = time.monotonic() + 60
        while not look.sandbox.appstream.calls and time.monotonic() < deadline:
            time.sleep(0.05)
        assert end_killed(home) == [], "it is at work"
        os.kill(command.pid, signal.SIGKILL)
    (run,) = runs_of(look)
    assert run.status == dg.DagsterRunStatus.STARTED
    look.sandbox.appstream.faults.clear()
    assert image_builders("snapshot").returncode == 0
    assert {r.run_id == run.run_id: r.status for r in runs_of(look)} == {
        True: dg.DagsterRunStatus.FAILURE,
        False: dg.DagsterRunStatus.SUCCESS,
    }
    with dg.DagsterInstance.get() as instance:
        assert any(KILLED in entry.message for entry in instance.all_logs(run.run_id))


@pytest.mark.slow
def test_the_sandbox_beside_a_demo_serves_the_demos_own_estate() -> None:
    from datetime import UTC, datetime

    warehouse = fill(Environment(warehouse=str(Path("warehouse").absolute())), 1, datetime.now(UTC))
    asked = "select arn, created_time from image_builders_current order by arn"
    before = views.query(warehouse, asked).to_pylist()
    done = image_builders_process("sandbox", "--", str(COMMAND), "snapshot")
    assert done.returncode == 0, done.stderr
    assert {region for region in REGIONS if region not in done.stdout} == set()
    assert views.query(warehouse, asked).to_pylist() == before
    changes = views.query(warehouse, "select change from image_builder_changes where change <> 'first_seen'")
    assert changes["change"].to_pylist() == []
    tags = views.query(warehouse, "select distinct tags_status from extracts")["tags_status"].to_pylist()
    assert tags == ["ok"]
