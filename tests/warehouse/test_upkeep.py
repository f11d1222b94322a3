"""Days that are joined and old commits that are summed up: no answer changes, whoever dies whenever."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import views
from pipeline.contract import DATA_TABLES, EXTRACTS, TABLES
from pipeline.views.catalogue import views_of_files
from pipeline.warehouse import Warehouse, upkeep
from pipeline.warehouse.local_storage import LocalStorage
from tests.support import NOON, builder, replay
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    """Three days with a look every six hours; a region fails now and then, builders come and go."""
    home = Warehouse(str(tmp_path / "warehouse"), grace=0.0)
    start = NOON - DAY / 2
    for number in range(12):
        at = start + number * 6 * HOUR
        us = [
            builder("stays", State="RUNNING" if number % 3 else "STOPPED", VpcConfig={"SubnetIds": [f"s{number // 5}"]})
        ]
        us += [builder("goes")] if number < 4 else [builder("comes", Tags="?")]
        eu = Look(None) if number in (3, 4, 9) else Look([builder("abroad", "eu-west-1")], complete=number % 2 == 0)
        replay.replay(home, at, {"us-east-1": Look(us), "eu-west-1": eu}, "hourly")
    return home


LATER = NOON + 20 * DAY
ANSWERS = [view.name for view in views_of_files() if not view.parameters and view.name != "coverage"]


def answers(home: Warehouse) -> dict[str, Any]:
    """What every view tells, ids of snapshots apart: a joined snapshot has one of its own."""
    told: dict[str, Any] = {}
    names = [*ANSWERS, *(t.name for t in TABLES)]
    with views.connect(home, names=names) as connection:
        for name in names:
            rows = connection.sql(f"from {name}").to_arrow_table().to_pylist()
            plain = [{k: str(v).removesuffix("-day") for k, v in row.items()} for row in rows]
            told[name] = sorted(plain, key=repr)
    return told


def files(home: Warehouse) -> list[str]:
    return [path for table in TABLES for path in home.storage.list(table.name)]


@pytest.mark.slow
def test_a_day_that_is_over_becomes_one_file_a_table_and_no_answer_changes(home: Warehouse) -> None:
    before, ids = answers(home), home.snapshots()
    assert len(files(home)) == 12 * len(TABLES)
    assert upkeep.tend(home, LATER) == ["2026-11-23", "2026-11-24", "2026-11-25"]
    assert len(files(home)) == 3 * len(TABLES)
    assert answers(home) == before
    assert home.snapshots() == [f"{i}-day" for i in ids]
    assert upkeep.tend(home, LATER) == []
    assert answers(home) == before


@pytest.mark.slow
def test_of_a_joined_day_each_builder_is_in_one_place(home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(home)
    upkeep.tend(home, LATER)
    path = home.storage.list("image_builders")[0]
    with home.storage.open(path) as source:
        file = pq.ParquetFile(source)
        rows = file.read(["arn", "snapshot_id"]).to_pylist()
        assert file.num_row_groups == 1
    assert len({row["arn"] for row in rows}) == 3 < len({(row["arn"], row["snapshot_id"]) for row in rows}) == len(rows)
    assert rows == sorted(rows, key=lambda row: (row["arn"], row["snapshot_id"]))
    assert answers(home) == before


@pytest.mark.slow
def test_a_day_that_is_too_large_for_memory_is_joined_in_parts(
    home: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(home)
    monkeypatch.setattr(upkeep, "JOINED_ROW_GROUP", 4)
    upkeep.tend(home, LATER)
    with home.storage.open(home.storage.list("image_builders")[0]) as source:
        assert pq.ParquetFile(source).num_row_groups > 1
    assert answers(home) == before


def test_a_day_that_can_still_be_written_is_left_alone(home: Warehouse) -> None:
    assert upkeep.tend(home, NOON + 2 * DAY) == ["2026-11-23"]
    assert len(files(home)) == (1 + 8) * len(TABLES)


def test_a_run_goes_on_where_days_are_joined(home: Warehouse) -> None:
    upkeep.tend(home, LATER)
    replay.replay(home, LATER, {"us-east-1": Look([builder("stays")])}, "hourly")
    replay.replay(home, LATER, {"us-east-1": Look([builder("stays", State="FAILED")])}, "hourly")
    rows = views.query(home, "select name, state from image_builders_current order by name").to_pylist()
    assert rows == [{"name": "stays", "state": "FAILED"}]
    assert len(home.snapshots()) == 13
    home.clear()
    assert (home.snapshots(), files(home)) == ([], [])


@pytest.mark.slow
def test_a_backlog_is_worked_off_some_days_at_a_time(home: Warehouse) -> None:
    before = answers(home)
    assert upkeep.tend(home, LATER, days_at_once=2) == ["2026-11-23", "2026-11-24"]
    assert upkeep.tend(home, LATER, days_at_once=2) == ["2026-11-25"]
    assert answers(home) == before


class DiedError(Exception):
    """The process died here."""


@pytest.mark.slow
@pytest.mark.parametrize("step", range(0, 60, 7))
def test_whoever_dies_whenever_no_answer_changes_and_the_next_run_ends_it(
    step: int, home: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(home)
    steps = iter(range(10_000))

    def dying(operation: Any) -> Any:
        def run(self: Any, *arguments: Any) -> Any:
            if next(steps) == step:
                raise DiedError
            return operation(self, *arguments)

        return run

    with monkeypatch.context() as patch:
        for name in ("create", "remove"):
            patch.setattr(LocalStorage, name, dying(getattr(LocalStorage, name)))
        with pytest.raises(DiedError):
            upkeep.tend(home, LATER)
    assert answers(home) == before
    upkeep.tend(home, LATER)
    assert answers(home) == before
    assert len(files(home)) == 3 * len(TABLES)


@pytest.mark.slow
def test_a_checkpoint_has_all_that_current_can_ask_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 4)
    home = Warehouse(str(tmp_path / "long"), grace=0.0)
    plain = Warehouse(str(tmp_path / "plain"), grace=0.0)
    for number in range(16):
        at = NOON + number * DAY
        looks = {
            # One that was seen long ago, one that is seen in part since, one that left the configuration.
            "us-east-1": Look([builder("old", State=str(number))] if number < 3 else None),
            "us-west-2": Look([builder("part", "us-west-2", State=str(number))], complete=number < 5),
            "eu-west-1": Look([builder("well", "eu-west-1", State=str(number))]),
        }
        if number < 6:
            looks["ap-south-1"] = Look([builder("left", "ap-south-1")])
        for each in (home, plain):
            replay.replay(each, at, looks)
        upkeep.tend(home, at)
        for name in ("image_builders_current", "image_builder_subnets_current"):
            told = [
                sorted(map(repr, (_without_ids(r) for r in views.query(each, f"from {name}").to_pylist())))
                for each in (home, plain)
            ]
            assert told[0] == told[1], (number, name)
    assert len(home.storage.list("_checkpoints")) > 1
    rows = views.query(home, "select count(*) as n from recent_extracts").to_pylist()
    assert rows[0]["n"] < views.query(home, "select count(*) as n from extracts")["n"][0].as_py()
    names = views.query(home, "select name, state from image_builders_current order by name").to_pylist()
    assert [(r["name"], r["state"]) for r in names] == [("old", "2"), ("part", "15"), ("well", "15")]


def _without_ids(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != "snapshot_id"}


@pytest.mark.slow
def test_current_reads_few_files_however_long_the_history(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "long"), grace=0.0)
    for number in range(80):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look([builder("a")])})
    upkeep.tend(home, NOON + 80 * DAY)
    with views.connect(home) as connection:
        ((_, plan),) = connection.sql("explain analyze from image_builders_current").fetchall()
    import re

    read = [int(n) for n in re.findall(r"Total Files Read: (\d+)", plan)]
    assert read
    assert max(read) <= upkeep.CHECKPOINT_EVERY + 2


def test_a_warehouse_of_before_there_were_tags_is_read_and_goes_on(home: Warehouse) -> None:
    """Files of an older contract: a table and columns that they lack are empty, and joined days have them."""
    import pyarrow.parquet as pq

    root = Path(home.location)
    for path in home.storage.list("image_builder_tags"):
        (root / path).unlink()
    for path in home.storage.list(EXTRACTS.name):
        rows = pq.read_table(root / path, partitioning=None)
        pq.write_table(rows.drop_columns([n for n in rows.column_names if n.startswith("tags_")]), root / path)
    assert views.query(home, "from image_builder_tags").num_rows == 0
    assert set(views.query(home, "select tags_status from extracts")["tags_status"].to_pylist()) == {None}
    replay.replay(home, NOON + 5 * DAY, {"us-east-1": Look([builder("a")], tags={"a": {"Owner": "it"}})}, "hourly")
    assert views.query(home, "select owner from image_builder_owners").to_pylist() == [{"owner": "it"}]
    assert set(views.query(home, "select tags_status from extracts")["tags_status"].to_pylist()) == {None, "ok"}
    upkeep.tend(home, LATER)
    assert len(home.storage.list("image_builder_tags/snapshot_date=2026-11-23")) == 1
    assert views.query(home, "from image_builders").num_rows > 12


def test_a_checkpoint_of_an_older_contract_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 1)
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    for number in range(4):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look([builder("a")])})
    upkeep.tend(home, NOON + 5 * DAY)
    (path,) = home.storage.list("_checkpoints")
    rows = pq.read_table(tmp_path / "w" / path)
    pq.write_table(rows.drop_columns(["later_resume_token", "tags_status"]), tmp_path / "w" / path)
    assert views.query(home, "select name from image_builders_current").to_pylist() == [{"name": "a"}]


def test_old_checkpoints_go_once_nobody_can_be_reading_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 1)
    monkeypatch.setattr(upkeep, "STALE_AFTER", 0.0)
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    for number in range(6):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look([builder("a")])})
        upkeep.tend(home, NOON + number * DAY + datetime.resolution)
    assert len(home.storage.list("_checkpoints")) == 1
    assert len(DATA_TABLES) == 8
