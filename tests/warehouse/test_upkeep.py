"""Days that are joined and old commits that are summed up, in a folder and in a bucket: no answer changes, whoever dies
whenever.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import views
from pipeline.contract import DATA_TABLES, EXTRACTS, IMAGE_BUILDERS, TABLES
from pipeline.errors import OlderWindowError, WarehouseError
from pipeline.views.catalogue import views_of_files
from pipeline.warehouse import Warehouse, joining, upkeep
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.local_storage import LocalStorage
from pipeline.warehouse.snapshot_ids import days_of, unjoined_id
from pipeline.windows import Window
from tests.support import NOON, StartSandbox, builder, oracle, replay
from tests.support.effort import often
from tests.support.replay import Look
from tests.support.store import BUCKET, Request, Store, make_bucket
from tests.support.years import grow

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days with a look every six hours; a region fails now and then, builders come and go."""
    folder = tmp_path_factory.mktemp("made") / "warehouse"
    home = Warehouse(str(folder), grace=0.0)
    start = NOON - DAY / 2
    for number in range(12):
        at = start + number * 6 * HOUR
        us = [
            builder("stays", State="RUNNING" if number % 3 else "STOPPED", VpcConfig={"SubnetIds": [f"s{number // 5}"]})
        ]
        us += [builder("goes")] if number < 4 else [builder("comes", Tags="?")]
        eu = Look(None) if number in (3, 4, 9) else Look([builder("abroad", "eu-west-1")], complete=number % 2 == 0)
        replay.replay(home, at, {"us-east-1": Look(us), "eu-west-1": eu}, "hourly")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of a day."""
    folder = tmp_path_factory.mktemp("small") / "warehouse"
    for number in range(3):
        look = Look([builder("stays", VpcConfig={"SubnetIds": ["s1"]}), builder(f"of-{number}")])
        replay.replay(Warehouse(str(folder), grace=0.0), NOON + number * HOUR, {"us-east-1": look}, "hourly")
    return folder


@pytest.fixture
def store(start_sandbox: StartSandbox) -> Store:
    return make_bucket(start_sandbox())


@pytest.fixture
def put(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, Path], Warehouse]:
    """Puts a copy of a warehouse into a folder or a bucket."""

    def copy(kind: str, made: Path) -> Warehouse:
        if kind == "folder":
            shutil.copytree(made, tmp_path / "warehouse")
            return Warehouse(str(tmp_path / "warehouse"), grace=0.0)
        request.getfixturevalue("store")
        s3 = boto3.client("s3")
        for path in made.rglob("*.parquet"):
            s3.upload_file(str(path), BUCKET, f"w/{path.relative_to(made)}")
        return Warehouse(f"s3://{BUCKET}/w", grace=0.0, patience=5.0)

    return copy


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest, made: Path, put: Callable[[str, Path], Warehouse]) -> Warehouse:
    return put(request.param, made)


KINDS = ("refuse InternalError", "cut before", "cut after", "cut body")
LATER = NOON + 20 * DAY
ANSWERS = [view.name for view in views_of_files() if not view.parameters and view.name != "coverage"]


def answers(home: Warehouse) -> dict[str, Any]:
    """What every view tells, ids of snapshots apart: a joined snapshot has one of its own."""
    told: dict[str, Any] = {}
    # In a bucket some, for it is the same SQL over the same files.
    names = [*ANSWERS, *(t.name for t in TABLES)]
    if home.location.startswith("s3://"):
        names = ["image_builders_current", "image_builder_history", "running_cost", "findings", "extracts"]
    with views.connect(home, names=names) as connection:
        for name in names:
            rows = connection.sql(f"from {name}").to_arrow_table().to_pylist()
            plain = [{k: unjoined_id(v) if k.endswith("snapshot_id") and v else v for k, v in r.items()} for r in rows]
            told[name] = sorted(plain, key=repr)
    return told


def files(home: Warehouse) -> list[str]:
    return [path for table in TABLES for path in home.storage.list(table.name)]


def names(home: Warehouse) -> list[str]:
    return [str(name) for name in Holdings(home.location, home.storage.sizes()).commits]


@pytest.mark.slow
def test_a_day_that_is_over_becomes_one_file_a_table_and_no_answer_changes(home: Warehouse) -> None:
    before, ids, rows = answers(home), home.snapshots(), oracle.committed(home.location)
    assert len(files(home)) == 12 * len(TABLES)
    assert upkeep.tend(home, NOON + 4 * DAY) == ["2026-11-23", "2026-11-24", "2026-11-25"]
    assert len(files(home)) == 3 * len(TABLES)
    assert home.snapshots() == [f"{i}-day" for i in ids]
    assert answers(home) == before
    assert upkeep.tend(home, LATER) == ["2026-11-23", "2026-11-24", "2026-11-25"]
    assert names(home) == [f"month-{ids[-1]}"]
    assert home.storage.list("image_builders")[0].startswith("image_builders/snapshot_date=2026-11-30/month-")
    assert home.snapshots() == [f"{i}-month" for i in ids]
    assert upkeep.tend(home, LATER) == []
    assert answers(home) == before
    assert oracle.committed(home.location) == oracle.bare(home.location) == rows


def test_of_a_joined_span_each_builder_is_in_one_place(home: Warehouse) -> None:
    upkeep.tend(home, LATER)
    path = home.storage.list("image_builders")[0]
    with home.storage.open(path) as source:
        file = pq.ParquetFile(source)
        rows = file.read(["arn", "snapshot_id"]).to_pylist()
        assert file.num_row_groups == 1
    assert len({row["arn"] for row in rows}) < len({(row["arn"], row["snapshot_id"]) for row in rows}) == len(rows)
    assert rows == sorted(rows, key=lambda row: (row["arn"], row["snapshot_id"]))


def test_what_is_too_large_for_memory_is_joined_in_parts(home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = oracle.committed(home.location)
    monkeypatch.setattr(joining, "JOINED_ROW_GROUP", 4)
    upkeep.tend(home, LATER)
    with home.storage.open(home.storage.list("image_builders")[0]) as source:
        assert pq.ParquetFile(source).num_row_groups > 1
    assert oracle.committed(home.location) == before


def test_what_is_too_large_to_be_worth_it_is_left(home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    size = home.storage.sizes()[home.storage.list("image_builders")[0]]
    monkeypatch.setattr(upkeep, "MOST_BYTES", size * 2)
    assert upkeep.tend(home, LATER) == []
    monkeypatch.setattr(upkeep, "MOST_BYTES", size * 6)
    upkeep.tend(home, NOON + 2 * DAY)
    assert names(home)[0].startswith("day-")


def test_a_day_that_can_still_be_written_is_left_alone(home: Warehouse) -> None:
    assert upkeep.tend(home, NOON + 2 * DAY) == ["2026-11-23"]
    assert len(files(home)) == (1 + 8) * len(TABLES)


def test_spans_of_time() -> None:
    for day in (date(2026, 1, 1) + n * DAY for n in range(400)):
        for span in ("day", "days", "month", "year"):
            first, last = days_of(span, day)
            assert first <= day <= last
            assert days_of(span, first) == days_of(span, last) == (first, last)
        assert days_of("days", day)[1] <= days_of("month", day)[1] <= days_of("year", day)[1]
    assert days_of("days", date(2028, 2, 29)) == (date(2028, 2, 22), date(2028, 2, 29))


@pytest.mark.slow
def test_files_of_a_table_do_not_become_more_with_the_years(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    first = datetime(2026, 12, 20, 12, tzinfo=NOON.tzinfo)
    grow(home, first, first + 429 * DAY)
    # Of three years: one whole, some days of the first, a month of the last and the days since.
    assert len(names(home)) <= 1 + 1 + 1 + 33
    assert {name.partition("-")[0] for name in names(home) if "-2027" in name[:9]} == {"year"}
    held = views.query(home, "select count(*) as n, count(distinct snapshot_date) as days from snapshots").to_pylist()
    assert held == [{"n": 430, "days": 430}]


def test_a_run_goes_on_where_days_are_joined(home: Warehouse) -> None:
    upkeep.tend(home, LATER)
    replay.replay(home, LATER, {"us-east-1": Look([builder("stays")])}, "hourly")
    replay.replay(home, LATER, {"us-east-1": Look([builder("stays", State="FAILED")])}, "hourly")
    rows = views.query(home, "select name, state from image_builders_current order by name").to_pylist()
    assert rows == [{"name": "stays", "state": "FAILED"}]
    assert len(home.snapshots()) == 13
    home.clear()
    assert (home.snapshots(), files(home)) == ([], [])


def test_a_warehouse_that_is_cleared_keeps_what_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 1)
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    for number in range(3):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look([builder("a")])})
    upkeep.tend(home, NOON + 9 * DAY)
    assert home.holdings().checkpoints
    (tmp_path / "w" / "image_builders" / "notes.txt").write_text("ours")
    home.clear()
    assert [path.name for path in (tmp_path / "w").rglob("*") if path.is_file()] == [".lock", "notes.txt"]


def test_the_newest_snapshot_is_the_last_one_joined_or_not(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    for number in range(3):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look([])})
    replay.replay(home, NOON + 3 * DAY, {"us-east-1": Look([])}, "hourly")
    newest = home.snapshots()[-1]
    for _ in range(2):
        assert (home.newest(), home.cadence()) == (newest, "hourly")
        home.require_newest_window(Window.at("hourly", NOON + 3 * DAY))
        with pytest.raises(OlderWindowError, match=f"is older than that of the snapshot {newest}"):
            home.require_newest_window(Window.at("daily", NOON + 2 * DAY))
        upkeep.tend(home, NOON + 60 * DAY)
    assert len(home.storage.list("extracts")) == 1


def test_a_backlog_is_worked_off_some_files_at_a_time(home: Warehouse) -> None:
    before = oracle.committed(home.location)
    assert upkeep.tend(home, LATER, at_once=8) == ["2026-11-23", "2026-11-24"]
    assert oracle.committed(home.location) == before
    assert upkeep.tend(home, LATER, at_once=8) == ["2026-11-23", "2026-11-24", "2026-11-25"]
    assert len(names(home)) == 1
    assert oracle.committed(home.location) == before


@pytest.mark.slow
@pytest.mark.parametrize("what", KINDS)
def test_a_request_that_fails_while_a_day_is_joined_costs_no_row(
    what: str, small: Path, put: Any, store: Store
) -> None:
    """Any one request; and then every request, as where a process dies."""
    home = put("bucket", small)
    before = oracle.committed(home.location)
    store.reset()
    upkeep.tend(home, NOON + 2 * DAY)
    requests = list(store.requests)
    assert len(requests) > 50
    copies = iter(range(10_000))
    first = 2 + KINDS.index(what)
    for number in sorted({*range(first, len(requests), often(45, 4)), len(requests) - first}):
        copy = _copied(small, f"copy-{next(copies)}")
        lasting = number % 2 == 0

        def rule(request: Request, number: int = number, lasting: bool = lasting) -> str | None:
            return what if request.number == number or (lasting and request.number > number) else None

        store.reset(rule)
        with suppress(WarehouseError):
            upkeep.tend(copy, NOON + 2 * DAY)
        store.reset()
        assert oracle.committed(copy.location) == before, requests[number]
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{copy.location.rpartition('/')[2]}/.lock")
        upkeep.tend(copy, NOON + 2 * DAY)
        assert oracle.committed(copy.location) == before, requests[number]
        # What a dead run left goes with the next snapshot.
        replay.replay(copy, NOON + 3 * DAY, {"us-east-1": Look([builder("new")])}, "hourly")
        rows = oracle.committed(copy.location)
        assert oracle.bare(copy.location) == rows, requests[number]
        assert len(rows["extracts"]) == len(before["extracts"]) + 1


def _copied(made: Path, prefix: str) -> Warehouse:
    s3 = boto3.client("s3")
    for path in made.rglob("*.parquet"):
        s3.upload_file(str(path), BUCKET, f"{prefix}/{path.relative_to(made)}")
    return Warehouse(f"s3://{BUCKET}/{prefix}", grace=0.0, patience=5.0)


class DiedError(BaseException):
    """The process died here."""


@pytest.mark.slow
@pytest.mark.parametrize("step", range(0, 64, often(16, 2)))
def test_whoever_dies_whenever_no_answer_changes_and_the_next_run_ends_it(
    step: int, made: Path, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = put("folder", made)
    before = oracle.committed(home.location)
    steps = iter(range(10_000))

    def dying(operation: Any) -> Any:
        def run(self: Any, *arguments: Any, **options: Any) -> Any:
            if next(steps) >= step:
                raise DiedError
            return operation(self, *arguments, **options)

        return run

    with monkeypatch.context() as patch:
        for name in ("create", "remove", "open", "sizes"):
            patch.setattr(LocalStorage, name, dying(getattr(LocalStorage, name)))
        with pytest.raises(DiedError):
            upkeep.tend(home, LATER)
    assert oracle.committed(home.location) == before
    upkeep.tend(home, LATER)
    assert oracle.committed(home.location) == before
    assert len(names(home)) == 1


def test_a_joined_file_that_does_not_hold_the_same_is_taken_back(
    home: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = oracle.committed(home.location)
    honest = joining.Join._rows

    def lossy(self: Any, table: Any) -> Any:
        for rows in honest(self, table):
            yield rows if table is not IMAGE_BUILDERS else rows.slice(1)

    monkeypatch.setattr(joining.Join, "_rows", lossy)
    with pytest.raises(WarehouseError, match=r"does not hold what was joined: .* nothing was removed"):
        upkeep.tend(home, LATER)
    assert oracle.committed(home.location) == oracle.bare(home.location) == before
    monkeypatch.undo()


def test_what_a_joined_file_does_not_hold_is_kept_beside_it(home: Warehouse) -> None:
    """A file that turns up later in a day that is joined: nobody knows from where, and nobody removes it."""
    content = oracle.files(home.location)
    before = oracle.committed(home.location)
    upkeep.tend(home, NOON + 2 * DAY)
    one = sorted(path for path in content if path.startswith("extracts/snapshot_date=2026-11-23"))[1]
    other = sorted(path for path in content if path.startswith("extracts/snapshot_date=2026-11-23"))[2]
    for table in TABLES:
        for path in (one, other):
            file = home.storage.create(path.replace("extracts", table.name))
            rows = content[path.replace("extracts", table.name)]
            file.sink.write(rows)
            file.commit()
        if table is IMAGE_BUILDERS:
            file = home.storage.create(other.replace("extracts", table.name))
            pq.write_table(pq.read_table(pa.BufferReader(rows)).slice(1), file.sink)
            file.commit()
    assert oracle.committed(home.location) == before
    upkeep.tend(home, LATER)
    left = [name for name in names(home) if not name.startswith(("day", "month"))]
    assert left == [Path(other).stem], "the one that is held is gone, the one that is not is there"
    assert oracle.committed(home.location) == before


def test_two_at_once_join_each_day_once(home: Warehouse) -> None:
    import threading

    before = oracle.committed(home.location)
    told: list[list[str]] = []
    homes = [Warehouse(home.location, grace=0.0, patience=60.0) for _ in range(3)]
    threads = [threading.Thread(target=lambda h=h: told.append(upkeep.tend(h, LATER))) for h in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, told)) == [0, 0, 3]
    assert oracle.committed(home.location) == oracle.bare(home.location) == before


@pytest.mark.slow
def test_a_checkpoint_has_all_that_current_can_ask_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_EVERY", 4)
    home = Warehouse(str(tmp_path / "long"), grace=0.0)
    plain = Warehouse(str(tmp_path / "plain"), grace=0.0)
    seen: set[str] = set()
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
        seen.update(home.storage.list("_checkpoints"))
        for name in ("image_builders_current", "image_builder_subnets_current"):
            told = [
                sorted(map(repr, (_without_ids(r) for r in views.query(each, f"from {name}").to_pylist())))
                for each in (home, plain)
            ]
            assert told[0] == told[1], (number, name)
    assert len(seen) > 1
    rows = views.query(home, "select count(*) as n from recent_extracts").to_pylist()
    assert rows[0]["n"] < views.query(home, "select count(*) as n from extracts")["n"][0].as_py()
    names = views.query(home, "select name, state from image_builders_current order by name").to_pylist()
    assert [(r["name"], r["state"]) for r in names] == [("old", "2"), ("part", "15"), ("well", "15")]


def _without_ids(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != "snapshot_id"}


@pytest.mark.slow
def test_current_reads_few_files_however_long_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.views.usable.SMALL", 0)
    home = Warehouse(str(tmp_path / "long"), grace=0.0)
    grow(home, NOON, NOON + 79 * DAY)
    upkeep.tend(home, NOON + 80 * DAY)
    with views.connect(home) as connection:
        ((_, plan),) = connection.sql("explain analyze from image_builders_current").fetchall()
    import re

    read = [int(n) for n in re.findall(r"Total Files Read: (\d+)", plan)]
    assert read
    assert max(read) <= upkeep.CHECKPOINT_EVERY + 2


def test_a_warehouse_of_before_there_were_tags_is_read_and_goes_on(made: Path, put: Any) -> None:
    """Files of an older contract: a table and columns that they lack are empty, and joined days have them."""
    home = put("folder", made)
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
    assert len(home.storage.list("image_builder_tags/snapshot_date=2026-11-30")) == 1
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
