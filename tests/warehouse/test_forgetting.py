"""Old looks that are forgotten, in a folder and in a bucket: by an oracle that reads the files alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline import views
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.warehouse import Warehouse, forgetting, tend
from pipeline.warehouse.forgetting import Forgotten, forget
from tests.support import NOON, StartSandbox, builder, oracle
from tests.support.replay import Look, replay
from tests.support.store import BUCKET, make_bucket

DAY = timedelta(days=1)
LATER = NOON + 45 * DAY
CUT = date(2026, 12, 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks: a region is seen every day, one was seen last on the fifth, one is seen in part since the eighth."""
    folder = tmp_path_factory.mktemp("made") / "warehouse"
    home = Warehouse(str(folder), grace=0.0)
    for number in range(14):
        at = NOON + number * DAY
        looks = {
            "us-east-1": Look([builder("a", State=str(number), VpcConfig={"SubnetIds": [f"s{number}"]})]),
            "eu-west-1": Look([builder("b", "eu-west-1", State=str(number))] if number < 5 else None),
            "us-west-2": Look([builder("c", "us-west-2", State=str(number))], complete=number < 8),
        }
        replay(home, at, looks)
    tend(home, LATER - 20 * DAY)
    return folder


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest, made: Path, start_sandbox: StartSandbox, tmp_path: Path) -> Warehouse:
    location = str(tmp_path / "w")
    if request.param == "bucket":
        make_bucket(start_sandbox())
        location = f"s3://{BUCKET}/w"
    home = Warehouse(location, grace=0.0, patience=5.0)
    for path in made.rglob("*.parquet"):
        file = home.storage.create(str(path.relative_to(made)))
        file.sink.write(path.read_bytes())
        file.commit()
    return home


def looks(rows: oracle.Rows) -> set[tuple[str, str]]:
    """(day, region) of each look."""
    return {(dict(row)["snapshot_id"][:8], dict(row)["region"]) for row in rows["extracts"]}


def current(home: Warehouse) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = views.query(
        home, "select name, state from image_builders_current order by name"
    ).to_pylist()
    return rows


def test_old_looks_go_and_the_newest_at_each_target_stays(home: Warehouse) -> None:
    before, now = oracle.committed(home.location), current(home)
    told = forget(home, CUT, dry_run=True, now=LATER)
    assert oracle.committed(home.location) == before
    assert forget(home, CUT, now=LATER) == told
    after = oracle.committed(home.location)
    assert current(home) == now
    gone = looks(before) - looks(after)
    old = {(day, region) for day, region in looks(before) if day < "20261203"}
    # Of the region that fails the last complete look and all since, which say how it went; likewise of the third.
    assert all(day < "20261203" for day, _ in gone)
    assert {region for _, region in gone} == {"us-east-1", "eu-west-1", "us-west-2"}
    assert {look for look in old if look[1] == "us-east-1"} <= gone
    assert ("20261127", "eu-west-1") not in gone
    assert ("20261126", "eu-west-1") in gone
    assert ("20261130", "us-west-2") not in gone
    files = told.files_removed, told.files_rewritten
    assert told == Forgotten(len(gone), 3, date(2026, 11, 23), date(2026, 12, 2), *files)
    for table, rows in before.items():
        kept = [row for row in rows if (dict(row)["snapshot_id"][:8], dict(row)["region"]) not in gone]
        assert list(map(_told, after[table])) == list(map(_told, kept)), table
    assert oracle.bare(home.location)["image_builders"] == oracle.committed(home.location)["image_builders"]
    assert forget(home, CUT, now=LATER).looks == 0
    # What commits say of their rows is still so, and days are joined as before.
    for row in after["extracts"]:
        own = [r for r in after["image_builders"] if dict(r)["snapshot_id"] == dict(row)["snapshot_id"]]
        assert json.loads(dict(row)["table_rows"])["image_builders"] == len(own)
    tend(home, LATER + 400 * DAY)
    tend(home, LATER + 400 * DAY)
    assert oracle.committed(home.location) == oracle.bare(home.location) == after
    assert current(home) == now


def _told(row: tuple[Any, ...]) -> list[Any]:
    return [item for item in row if item[0] != "table_rows"]


def test_only_some_targets_are_forgotten(home: Warehouse) -> None:
    before = looks(oracle.committed(home.location))
    told = forget(home, CUT, regions=["us-east-1"], now=LATER)
    gone = before - looks(oracle.committed(home.location))
    assert gone == {(day, region) for day, region in before if day < "20261203" and region == "us-east-1"}
    assert told.looks == len(gone) == 10
    assert forget(home, CUT, accounts=["999999999999"], now=LATER).looks == 0


def test_a_day_that_can_still_be_written_to_is_refused(home: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match="cannot be forgotten yet: 2027-01-05 is the latest day"):
        forget(home, date(2027, 1, 6), now=LATER)


@pytest.mark.parametrize(
    ("home", "step"), [("folder", 0), ("folder", 9), ("folder", 18), ("folder", 20), ("bucket", 9)], indirect=["home"]
)
def test_whoever_dies_whenever_what_is_kept_is_kept(
    step: int, home: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, rows = current(home), oracle.committed(home.location)
    steps = iter(range(1000))
    storage = type(home.storage)

    def dying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: Any, *arguments: Any, **options: Any) -> Any:
            if next(steps) >= step:
                raise WarehouseError("The process died.")
            return operation(self, *arguments, **options)

        return run

    with monkeypatch.context() as patch:
        for name in ("create", "remove"):
            patch.setattr(storage, name, dying(getattr(storage, name)))
        with pytest.raises(WarehouseError, match="died"):
            forgetting.forget(home, CUT, now=LATER)
    assert current(home) == now
    if home.location.startswith("s3://"):
        boto3.client("s3").delete_object(Bucket=BUCKET, Key="w/.lock")
    forget(home, CUT, now=LATER)
    after = oracle.committed(home.location)
    assert current(home) == now
    assert min(day for day, region in looks(after) if region == "us-east-1") == "20261203"
    assert {look for look in looks(rows) if look[0] >= "20261203"} <= looks(after)
