"""What dead runs, clocks and shared machines leave behind: no answer changes, and it goes in the end."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.contract import EXTRACTS, TABLES
from pipeline.errors import ClosedWindowError, WarehouseError
from pipeline.warehouse import Warehouse, publish, s3_reads, tend, upkeep
from pipeline.warehouse.forgetting import forget
from pipeline.warehouse.storage import LostLockError
from tests.support import NOON, StartSandbox, builder, oracle
from tests.support.replay import Look, replay
from tests.support.store import BUCKET, Store, make_bucket
from tests.support.years import grow

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "w"), grace=0.0, patience=10.0)


def current(home: Warehouse) -> list[tuple[str, str]]:
    rows = views.query(home, "select name, state from image_builders_current order by name").to_pylist()
    return [(row["name"], row["state"]) for row in rows]


def two_regions(home: Warehouse, days: int) -> None:
    """One region is seen every day, one was seen on the first two only."""
    for number in range(days):
        gone = Look([builder("abroad", "eu-west-1")] if number < 2 else None)
        replay(home, NOON + number * DAY, {"us-east-1": Look([builder("a", State=f"s{number}")]), "eu-west-1": gone})


def test_what_was_forgotten_does_not_come_back_from_files_that_a_dead_upkeep_left(home: Warehouse) -> None:
    two_regions(home, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "remove", lambda *_: None)
        tend(home, NOON + 20 * DAY)
    told = forget(home, date(2026, 11, 28), now=NOON + 20 * DAY)
    assert told.looks > 0
    rows = oracle.committed(home.location)
    seen = [dict(row)["snapshot_id"][:8] for row in rows["extracts"] if dict(row)["region"] == "us-east-1"]
    assert min(seen) == "20261128"
    assert oracle.bare(home.location) == rows


def test_to_forget_again_after_a_death_keeps_what_is_kept(home: Warehouse) -> None:
    two_regions(home, 12)
    tend(home, NOON + 20 * DAY)
    before, now = oracle.committed(home.location), current(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.warehouse.forgetting.remove", lambda *_: None)
        forget(home, date(2026, 11, 28), now=NOON + 20 * DAY)
    assert current(home) == now
    forget(home, date(2026, 11, 28), regions=["us-east-1"], now=NOON + 20 * DAY)
    forget(home, date(2026, 11, 28), now=NOON + 20 * DAY)
    after = oracle.committed(home.location)
    assert current(home) == now
    assert oracle.bare(home.location) == after
    kept = [row for row in before["image_builders"] if dict(row)["snapshot_id"] >= "20261128"]
    assert [row for row in after["image_builders"] if row in kept] == kept


def test_what_a_publication_could_not_remove_goes_even_after_its_day_was_joined(home: Warehouse) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "clean", lambda *_: None)
        for state in ("old", "new"):
            replay(home, NOON, {"us-east-1": Look([builder("a", State=state)])}, "hourly")
            replay(home, NOON + HOUR, {"us-east-1": Look([builder("a", State=state)])}, "hourly")
    assert len(oracle.bare(home.location)["image_builders"]) == 4
    tend(home, NOON + 3 * DAY)
    tend(home, NOON + 3 * DAY)
    rows = oracle.committed(home.location)
    assert oracle.bare(home.location) == rows
    assert [dict(row)["state"] for row in rows["image_builders"]] == ["new", "new"]


def test_a_checkpoint_that_a_clock_ahead_has_written_hides_nothing(home: Warehouse) -> None:
    two_regions(home, 6)
    tend(home, NOON + 40 * DAY)  # Ahead.
    assert home.storage.list("_checkpoints")
    for number in (6, 7):
        replay(home, NOON + number * DAY, {"us-east-1": Look([builder("a", State=f"s{number}")])})
        tend(home, NOON + number * DAY)
        assert current(home) == [("a", f"s{number}")]


def test_a_checkpoint_that_cannot_be_read_is_an_error_or_is_not_needed(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    store: Store = make_bucket(start_sandbox())
    home = Warehouse(f"s3://{BUCKET}/w", grace=0.0)
    two_regions(home, 9)
    tend(home, NOON + 8 * DAY)
    tend(home, NOON + 20 * DAY)
    want = [("a", "s8"), ("abroad", "RUNNING")]
    assert current(home) == want
    store.reset(lambda r: "refuse SlowDown" if "_checkpoints" in r.key and r.operation == "GetObject" else None)
    s3_reads._kept = s3_reads._Kept()
    with pytest.raises(WarehouseError, match="cannot be read"):
        current(Warehouse(home.location))
    store.reset()
    for path in home.storage.list("_checkpoints"):
        file = home.storage.create(path)
        file.sink.write(b"no Parquet")
        file.commit()
    assert current(Warehouse(home.location)) == want


def test_a_joined_file_whose_tables_are_gone_is_removed_where_the_originals_are_there(home: Warehouse) -> None:
    for number in range(3):
        replay(home, NOON + number * HOUR, {"us-east-1": Look([builder("a")])}, "hourly")
    before = oracle.committed(home.location)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "remove", lambda *_: None)
        tend(home, NOON + 3 * DAY)
    for table in TABLES:
        for path in home.storage.list(table.name):
            if "/day-" in path and table is not EXTRACTS:
                home.storage.remove(path)
    tend(home, NOON + 3 * DAY)
    tend(home, NOON + 3 * DAY)
    assert oracle.committed(home.location) == oracle.bare(home.location) == before


def test_nothing_is_added_to_a_window_that_was_joined(home: Warehouse) -> None:
    for number in range(2):
        replay(home, NOON + number * HOUR, {"us-east-1": Look([builder("a")]), "eu-west-1": Look([])}, "hourly")
    tend(home, NOON + 3 * DAY)
    before = oracle.committed(home.location)
    with pytest.raises(ClosedWindowError, match="was joined with others of its time: nothing can be added to it"):
        replay(home, NOON, {"us-east-1": Look([builder("b")])}, "hourly")
    assert oracle.committed(home.location) == before


def test_a_day_of_both_cadences_is_joined_in_a_bucket_too(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    made = Warehouse(str(tmp_path / "made"), grace=0.0)
    start = NOON - 12 * HOUR
    grow(made, start, start + 23 * HOUR, "hourly")
    replay(made, NOON, {"us-east-1": Look([builder("a")])}, "daily")
    make_bucket(start_sandbox())
    home = Warehouse(f"s3://{BUCKET}/w", grace=0.0)
    for path in made.storage.list():
        if path.endswith(".parquet"):
            file = home.storage.create(path)
            file.sink.write((tmp_path / "made" / path).read_bytes())
            file.commit()
    assert tend(home, NOON + 3 * DAY) == ["2026-11-23"]
    assert len(home.storage.list("extracts")) == 1
    assert len(home.snapshots()) == 25


def test_what_else_lies_in_the_folder_is_not_looked_at(home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that is mounted there has a lost+found that nobody may list."""
    import os

    listed = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    (Path(home.location) / "lost+found").mkdir(parents=True)
    monkeypatch.setattr(os, "scandir", refuse)
    home.check()
    replay(home, NOON, {"us-east-1": Look([builder("a")])})
    assert current(home) == [("a", "RUNNING")]


def test_who_lost_the_lock_before_the_commit_takes_it_anew(home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = iter([True, False, False, False])
    take = home.storage.lock

    class Losing:
        def __enter__(self) -> Any:
            self._context = take()
            self._context.__enter__()
            return self

        def __exit__(self, *_: object) -> None:
            self._context.__exit__(None, None, None)

        def require(self) -> None:
            if next(lost, False):
                replay(other, NOON, {"eu-west-1": Look([builder("b", "eu-west-1")])})
                raise LostLockError("lost")

    other = Warehouse(home.location, grace=0.0)
    monkeypatch.setattr(other.storage, "lock", lambda: _Nobodys())
    monkeypatch.setattr(home.storage, "lock", Losing)
    replay(home, NOON, {"us-east-1": Look([builder("a")])})
    rows = oracle.committed(home.location)["image_builders"]
    assert sorted(dict(row)["name"] for row in rows) == ["a", "b"]
    assert oracle.bare(home.location) == oracle.committed(home.location)


class _Nobodys:
    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def require(self) -> None:
        pass
