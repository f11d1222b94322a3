"""What is kept, and for how long: looks, by an asset that is off until it is asked for, and Dagster's own runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipeline.definitions import build_definitions
from pipeline.defs.instance import SETTINGS
from pipeline.defs.resources import ClockResource, WarehouseResource
from pipeline.defs.retention import JOB, prune_runs
from pipeline.errors import ConfigurationError
from pipeline.warehouse import Warehouse
from tests.support import NOON, Looker, settings_of
from tests.support.years import grow


def test_the_asset_forgets_what_is_older_than_the_setting_and_nothing_without_it(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    grow(home, NOON - timedelta(days=40), NOON)
    resources = {
        "warehouse": WarehouseResource(location=home.location, grace=0.0),
        "clock": ClockResource(at=NOON.isoformat()),
    }
    for days, kept in ((None, 41), (30, 31)):
        variables = {"IMAGE_BUILDERS_KEEP_DAYS": str(days)} if days else {}
        definitions = build_definitions(settings_of(variables), **resources)
        done = definitions.resolve_job_def(JOB).execute_in_process()
        assert done.success
        assert len(home.snapshots()) == kept
    schedule = definitions.resolve_schedule_def("every_month")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_old_runs_go_with_their_events_and_files(looker: Callable[..., Looker], tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(SETTINGS)

    @dg.asset
    def something() -> None:
        print("to the log")

    definitions = dg.Definitions(
        [something], jobs=[dg.define_asset_job("image_builders_snapshot"), dg.define_asset_job("foreign")]
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = definitions.resolve_job_def("image_builders_snapshot")
        old, new = (job.execute_in_process(instance=instance).run_id for _ in range(2))
        other = definitions.resolve_job_def("foreign").execute_in_process(instance=instance).run_id
        begun = instance.create_run_for_job(job).run_id

        def files(run_id: str) -> list[Path]:
            return [path for path in home.rglob(f"*{run_id}*") if path.is_file() or any(path.iterdir())]

        assert files(old)
        (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[old]))
        later = record.update_timestamp.replace(tzinfo=UTC) + timedelta(days=90)
        assert prune_runs(instance, 90, later - timedelta(seconds=1)) == []
        newer = instance.get_run_records(dg.RunsFilter(run_ids=[new]))[0].update_timestamp.replace(tzinfo=UTC)
        assert prune_runs(instance, 90, newer + timedelta(days=90)) == [old]
        assert [run.run_id for run in instance.get_runs()] == [begun, other, new]
        assert files(old) == []
        assert files(new)
        assert instance.all_logs(new)
        assert prune_runs(instance, 90, datetime.now(UTC) + timedelta(days=99)) == [new]
        assert [run.run_id for run in instance.get_runs()] == [begun, other], "one lasts, one is not ours"


@pytest.mark.parametrize("value", ["2", "x", "-1"])
def test_a_setting_that_makes_no_sense_is_told(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"IMAGE_BUILDERS_KEEP_DAYS is .*; it must be a whole number from 3"):
        settings_of({"IMAGE_BUILDERS_KEEP_DAYS": value})
