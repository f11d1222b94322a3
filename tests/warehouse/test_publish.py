"""The commit: what readers see while a snapshot is made, when its maker dies, and when a window has two."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from pipeline import views
from pipeline.contract import EXTRACTS, HIVE_KEY, IMAGE_BUILDERS, TABLES
from pipeline.errors import NoSnapshotError, WarehouseError
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.warehouse import Warehouse
from pipeline.warehouse.inventory import damage
from tests.support import NOON, Looker, builder, estate_of, target
from tests.support.effort import often

DAY = timedelta(days=1)


def files(look: Looker) -> list[str]:
    """The warehouse's files, without what is hidden."""
    root = Path(look.warehouse.location)
    paths = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return sorted(p for p in paths if not p.startswith("."))


def told(look: Looker, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = views.query(look.warehouse, sql).to_pylist()
    return rows


def names(look: Looker, table: str = "image_builders") -> list[str]:
    return [r["name"] for r in told(look, f"select name from {table} order by name")]


def test_a_snapshot_is_a_file_in_every_tables_partition(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    published = look.publish()
    assert files(look) == sorted(f"{t.name}/snapshot_date=2026-11-23/{published.snapshot_id}.parquet" for t in TABLES)
    assert published.snapshot_id.startswith("20261123T0000P24H-20261123T120000000000-")
    assert look.warehouse.snapshots() == [published.snapshot_id]


def test_zero_rows_are_files_with_the_full_schema_and_its_descriptions(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[])
    published = look.publish()
    for table in TABLES:
        path = Path(look.warehouse.location) / published.paths[table.name]
        file = pq.ParquetFile(path)
        assert file.metadata.num_rows == (table is EXTRACTS)
        assert file.schema_arrow.equals(table.schema, check_metadata=True)
    one = pq.ParquetFile(Path(look.warehouse.location) / published.paths["extracts"]).metadata.row_group(0).column(0)
    assert one.compression == "ZSTD"


def test_snapshot_ids_sort_by_time_even_where_the_clock_stands_still(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    ids = [look.publish().snapshot_id for _ in range(3)]
    look.sandbox.clock.set(NOON - timedelta(hours=1))
    ids.append(look.publish().snapshot_id)
    look.sandbox.clock.set(NOON + DAY)
    ids.append(look.publish().snapshot_id)
    assert ids == sorted(set(ids))


def test_a_later_run_of_a_window_replaces_it_and_removes_what_it_superseded(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    estate_of(look)[ACCOUNT, "us-east-1"] = [builder("b")]
    second = look.publish()
    assert names(look) == ["b"]
    assert len(files(look)) == len(TABLES)
    assert look.warehouse.snapshots() == [second.snapshot_id]


def test_windows_keep_their_snapshots_beside_each_other(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    look.sandbox.clock.set(NOON + DAY)
    look.publish()
    assert len(look.warehouse.snapshots()) == 2
    assert len(files(look)) == 2 * len(TABLES)
    assert names(look) == ["a", "a"]


def test_hourly_windows_share_a_day_and_not_a_snapshot(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.cadence = "hourly"
    for hours in (0, 1, 1):
        look.sandbox.clock.set(NOON + timedelta(hours=hours, minutes=7))
        look.publish()
    rows = told(look, "select window_start, window_end, snapshot_date::varchar as day from snapshots order by all")
    assert [(r["window_start"].hour, r["window_end"].hour, r["day"]) for r in rows] == [
        (12, 13, "2026-11-23"),
        (13, 14, "2026-11-23"),
    ]


def test_a_target_that_fails_now_keeps_what_was_seen_earlier_in_the_window(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a", VpcConfig={"SubnetIds": ["s"]})], eu_west_1=[builder("b", "eu-west-1")])
    first = look.publish("us-east-1", "eu-west-1")
    look.sandbox.appstream.faults.append(Fault("deny", region="us-east-1"))
    look.sandbox.clock.set(NOON + timedelta(hours=1))
    estate_of(look)[ACCOUNT, "eu-west-1"] = [builder("c", "eu-west-1")]
    second = look.publish("us-east-1", "eu-west-1")
    assert names(look) == ["a", "c"]
    assert {r["snapshot_id"] for r in told(look, "from image_builders")} == {second.snapshot_id}
    assert [r["subnet_id"] for r in told(look, "from image_builder_subnets")] == ["s"]
    seen, carried = told(look, "from extracts order by region")
    assert (seen["region"], seen["observed_at"], seen["carried_from"]) == ("eu-west-1", NOON + timedelta(hours=1), None)
    assert (carried["status"], carried["complete"], carried["builders"]) == ("ok", True, 1)
    assert (carried["observed_at"], carried["carried_from"]) == (NOON, first.snapshot_id)
    assert (carried["later_status"], carried["later_error_code"]) == ("denied", "AccessDeniedException")
    assert carried["later_observed_at"] == NOON + timedelta(hours=1)


def test_what_was_carried_once_is_carried_again_until_it_is_seen(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")])
    first = look.publish()
    look.sandbox.appstream.faults.append(Fault("deny"))
    look.publish()
    look.publish()
    (row,) = told(look, "from extracts")
    assert (row["carried_from"], row["later_status"]) == (first.snapshot_id, "denied")
    look.sandbox.appstream.faults.clear()
    look.publish()
    (row,) = told(look, "from extracts")
    assert (row["carried_from"], row["later_status"], row["status"]) == (None, None, "ok")


def test_two_runs_with_other_failures_keep_the_union_of_what_was_seen(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")], eu_west_1=[builder("b", "eu-west-1")])
    for region in ("us-east-1", "eu-west-1"):
        look.sandbox.appstream.faults[:] = [Fault("deny", region=region)]
        look.publish("us-east-1", "eu-west-1")
    assert names(look) == ["a", "b"]
    assert [r["status"] for r in told(look, "from extracts")] == ["ok", "ok"]


def test_a_target_that_failed_twice_tells_of_the_later_failure(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    for kind in ("deny", "html"):
        look.sandbox.appstream.faults[:] = [Fault(kind)]
        look.publish()
    (row,) = told(look, "from extracts")
    assert (row["status"], row["carried_from"], row["later_status"]) == ("malformed", None, None)


def test_a_target_that_is_not_looked_at_again_stays(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")], eu_west_1=[builder("b", "eu-west-1")])
    look.publish("us-east-1")
    look.publish("eu-west-1")
    assert names(look) == ["a", "b"]
    assert [(r["region"], r["later_status"]) for r in told(look, "from extracts order by region")] == [
        ("eu-west-1", None),
        ("us-east-1", None),
    ]


@pytest.mark.parametrize("narrowed", [{"names": ("b", "c")}, {"max_items": 2, "starting_token": "one"}])
def test_a_look_at_some_adds_and_refreshes_and_removes_none(
    narrowed: dict[str, Any], looker: Callable[..., Looker]
) -> None:
    look = looker(builder("a"), builder("b", VpcConfig={"SubnetIds": ["s1", "s2"]}))
    first = look.publish()
    estate_of(look)[ACCOUNT, "us-east-1"] = [
        builder("x"),
        builder("b", State="STOPPED", VpcConfig={"SubnetIds": ["s3"]}),
        builder("c"),
    ]
    if "starting_token" in narrowed:
        narrowed = narrowed | {"starting_token": look.look(max_items=1)["resume_token"]}
    look.publish(**narrowed)
    assert [(r["name"], r["state"]) for r in told(look, "from image_builders order by name")] == [
        ("a", "RUNNING"),
        ("b", "STOPPED"),
        ("c", "RUNNING"),
    ]
    assert [r["subnet_id"] for r in told(look, "from image_builder_subnets")] == ["s3"]
    (row,) = told(look, "from extracts")
    assert (row["complete"], row["builders"], row["carried_from"]) == (True, 3, first.snapshot_id)
    assert row["later_status"] == "ok"


def test_looks_at_parts_add_up(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"), builder("b"), builder("c"))
    token = look.look(max_items=2)["resume_token"]
    look.publish(max_items=2)
    look.publish(starting_token=token)
    assert names(look) == ["a", "b", "c"]
    (row,) = told(look, "from extracts")
    assert (row["complete"], row["builders"]) == (False, 3)


def test_bare_readers_see_the_committed_rows(looker: Callable[..., Looker]) -> None:
    look = looker(
        us_east_1=[builder("a", CreatedTime=0.5)],
        eu_west_1=[builder("b", "eu-west-1")],
    )
    look.publish("us-east-1", "eu-west-1")
    look.publish("us-east-1", "eu-west-1")
    look.sandbox.clock.set(NOON + DAY)
    estate_of(look)[ACCOUNT, "eu-west-1"] = []
    look.publish("us-east-1", "eu-west-1")
    folder = f"{look.warehouse.location}/image_builders"
    expected = [("2026-11-23", "a"), ("2026-11-23", "b"), ("2026-11-24", "a")]

    frame = pd.read_parquet(folder)
    assert sorted(zip(frame[HIVE_KEY].astype(str), frame["name"], strict=True)) == expected
    assert set(frame["account_id"]) == {ACCOUNT}
    lazy = pl.scan_parquet(folder, hive_partitioning=True).collect()
    assert sorted(zip(lazy[HIVE_KEY].cast(str), lazy["name"], strict=True)) == expected
    dataset = pa.dataset.dataset(folder, partitioning="hive").to_table()
    assert sorted(zip(map(str, dataset[HIVE_KEY].to_pylist()), dataset["name"].to_pylist(), strict=True)) == expected
    glob = f"select {HIVE_KEY}::varchar, name from '{folder}/*/*.parquet' order by all"
    with duckdb.connect() as connection:
        assert connection.execute(glob).fetchall() == expected
    for other in ("image_builder_subnets", "extracts"):
        empty = pd.read_parquet(f"{look.warehouse.location}/{other}")
        assert list(empty.columns)[:3] == ["snapshot_id", "account_id", "region"]


def test_daily_and_hourly_windows_of_one_moment_do_not_replace_each_other(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.sandbox.clock.set(NOON - timedelta(hours=12))
    for look.cadence in ("hourly", "daily", "hourly"):
        look.publish()
    assert len(look.warehouse.snapshots()) == 2
    assert [(r["window_end"] - r["window_start"]) // timedelta(hours=1) for r in told(look, "from snapshots")] in (
        [1, 24],
        [24, 1],
    )


def test_current_is_what_was_seen_last_whatever_the_window(looker: Callable[..., Looker]) -> None:
    look = looker(builder("old"))
    for hours, cadence, name in ((1, "daily", "old"), (13, "hourly", "mid"), (16, "daily", "new")):
        look.sandbox.clock.set(NOON + timedelta(hours=hours - 12))
        look.cadence = cadence
        estate_of(look)[ACCOUNT, "us-east-1"] = [builder(name)]
        look.publish()
    assert names(look, "image_builders_current") == ["new"]
    look.sandbox.appstream.faults.append(Fault("deny"))
    look.publish()
    (row,) = told(look, "from coverage")
    assert row["last_status"] == "denied"


def test_what_cannot_be_text_costs_no_other_target_its_rows(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")], eu_west_1=[], eu_west_2=[])
    look.sandbox.appstream.faults[:] = [
        Fault("body", region="eu-west-1", value='{"ImageBuilders": [], "New": "\\ud800"}'),
        Fault("body", region="eu-west-2", value='{"ImageBuilders": [{"Name": "\\ud800", "State": 1}]}'),
    ]
    look.publish("us-east-1", "eu-west-1", "eu-west-2")
    rows = told(look, "select region, status, extra from extracts order by region")
    assert [(r["region"], r["status"]) for r in rows] == [
        ("eu-west-1", "ok"),
        ("eu-west-2", "malformed"),
        ("us-east-1", "ok"),
    ]
    assert json.loads(rows[0]["extra"]) == {"New": "\ud800"}
    assert names(look) == ["a"]


def test_an_empty_arn_is_none(looker: Callable[..., Looker]) -> None:
    look = looker(*({"Name": name, "Arn": ""} for name in "abc"))
    look.publish()
    assert [r["arn"] for r in told(look, "from image_builders order by name")] == [target().arn(n) for n in "abc"]


def test_a_later_look_at_a_part_tells_where_it_stopped(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"), builder("b"))
    look.publish()
    published = look.publish(max_items=1)
    assert published.rows[0]["resume_token"] is None
    assert published.rows[0]["later_resume_token"] == look.look(max_items=1)["resume_token"]


def test_a_publish_that_fails_leaves_the_snapshot_before_it(
    looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = looker(builder("a"))
    first = look.publish()
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.warehouse.publication.normalize", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look.publish()
    assert look.warehouse.snapshots() == [first.snapshot_id]
    assert names(look) == ["a"]


def test_a_table_that_cannot_be_written_is_told(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    Path(look.warehouse.location).mkdir()
    (Path(look.warehouse.location) / "image_builders").write_text("in the way")
    with pytest.raises(WarehouseError, match="cannot be written: "):
        look.publish()


def test_a_warehouse_whose_name_means_something_to_a_glob(looker: Callable[..., Looker], tmp_path: Path) -> None:
    look = looker(builder("a"))
    look.warehouse = Warehouse(str(tmp_path / "w[1]*'"), grace=0.0)
    look.publish()
    views.build(look.warehouse)
    assert names(look) == ["a"]


def test_an_account_id_stays_text_whatever_it_begins_with(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    extracted = look.extract()
    extracted.rows[0]["account_id"] = "001234567890"
    from pipeline.windows import Window

    look.warehouse.publish(Window.at("daily", NOON), [extracted], lambda: NOON)
    (row,) = told(look, "select account_id, typeof(account_id) as type from extracts")
    assert row == {"account_id": "001234567890", "type": "VARCHAR"}


def test_columns_that_an_older_contract_lacked_are_null_in_its_files(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a", DisplayName="A"))
    published = look.publish()
    path = Path(look.warehouse.location) / published.paths["image_builders"]
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["display_name"]), path)
    look.sandbox.appstream.faults.append(Fault("deny"))
    look.publish()  # Carries the older rows into a file of today's contract.
    look.sandbox.clock.set(NOON + DAY)
    look.sandbox.appstream.faults.clear()
    look.publish()
    assert [r["display_name"] for r in told(look, "from image_builders order by snapshot_id")] == [None, "A"]


def test_nothing_committed_is_told_and_not_mistaken_for_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NoSnapshotError, match="holds no snapshot yet: run `image-builders snapshot` first"):
        views.query(Warehouse(str(tmp_path / "nowhere"), grace=0.0), "select 1")


def test_a_warehouse_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WarehouseError, match=r"The warehouse .*/file cannot be written: (Not a directory|File exists)"):
        Warehouse(str(tmp_path / "file"), grace=0.0).storage.check()


def test_files_without_a_commit_are_not_seen_and_are_removed_by_the_next_run(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    published = look.publish()
    path = Path(look.warehouse.location) / published.paths["image_builders"]
    orphan = path.with_name("20261123T0000P24H-20261123T230000000000-dead.parquet")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.set_column(0, rows.schema.field(0), [[orphan.stem]]), orphan)
    assert names(look) == ["a"]
    own = path.with_name("notes.parquet")
    own.write_bytes(path.read_bytes())
    look.sandbox.clock.set(NOON + DAY)
    look.publish()
    assert not orphan.exists()
    assert own.exists(), "what a run did not write is nobody's to remove"
    own.unlink()
    assert names(look) == ["a", "a"]


CRASH = Path(__file__).parents[1] / "support" / "crash.py"


@pytest.mark.slow
def test_whoever_dies_whenever_readers_see_the_old_snapshot_or_the_new_one(looker: Callable[..., Looker]) -> None:
    """SIGKILL after file operations of a publish; in the long run, after every single one."""
    look = looker(builder("old"), builder("both"))
    look.publish()
    estate_of(look)[ACCOUNT, "us-east-1"] = [builder("new"), builder("both", State="STOPPED")]
    extracted = look.extract()
    views.build(look.warehouse)
    seen: list[str] = []
    # Each run is a process of its own that publishes a copy of the warehouse and dies after its n-th operation.
    command = [sys.executable, str(CRASH), look.warehouse.location, extracted.stream, str(often(5, 1))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CRASH.parent.parent
    ) as runs:
        assert runs.stdin
        assert runs.stdout
        runs.stdin.write(json.dumps(extracted.rows, default=str) + "\n")
        runs.stdin.close()
        for line in runs.stdout:
            crashed = json.loads(line)
            copy = Warehouse(crashed["warehouse"], grace=0.0)
            names = ["image_builders", "image_builders_current", "extracts"]
            with views.connect(copy, names=names) as connection:
                state = connection.sql("select name, state from image_builders order by name").fetchall()
                current = connection.sql("select name from image_builders_current order by name").fetchall()
                targets = connection.sql("from extracts").fetchall()
            assert state in (
                [("both", "RUNNING"), ("old", "RUNNING")],
                [("both", "STOPPED"), ("new", "RUNNING")],
            ), crashed
            assert current == [(name,) for name, _ in state]
            assert len(targets) == 1
            seen.append(state[1][0])
            assert crashed["killed"] is not crashed["ended"]
            # The next run repairs what was left.
            repaired = Looker(look.sandbox, copy, steps=look.steps - 1)  # Its stream takes the place of the dead one's.
            repaired.publish()
            assert len(files(repaired)) == len(TABLES) + 1, "one snapshot, and the file of views"
    assert runs.returncode == 0
    # It was the old one for a good while, then the new one, and never the old one again.
    assert seen == sorted(seen, key=["old", "new"].index)
    assert seen.count("old") > often(4, 20)
    assert seen.count("new") > often(1, 8)
    assert crashed["ended"]


def test_a_publish_waits_for_another_one_of_the_same_warehouse(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    script = (
        "import sys, time; from pipeline.warehouse import Warehouse\n"
        "with Warehouse(sys.argv[1]).storage.lock():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, look.warehouse.location]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CRASH.parent.parent) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        publishing = threading.Thread(target=look.publish)
        publishing.start()
        publishing.join(0.5)
        assert publishing.is_alive()
        os.kill(holder.pid, signal.SIGKILL)
        publishing.join(30)
        assert not publishing.is_alive()
    assert names(look) == ["a"]


def test_what_a_run_left_in_the_scratch_folder_goes_when_it_is_stale(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    scratch = Path(look.warehouse.location) / "_staging"
    scratch.mkdir(parents=True)
    fresh, stale = scratch / "of-a-run-under-way.arrow", scratch / "of-a-dead-run.arrow"
    fresh.touch()
    stale.touch()
    os.utime(stale, (0, 0))
    look.publish()
    assert (fresh.exists(), stale.exists()) == (True, False)


def test_windows_of_a_moment() -> None:
    from pipeline.windows import Window

    moment = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)
    assert Window.at("daily", moment).key == "2026-11-23"
    assert Window.at("hourly", moment).key == "2026-11-23-23:00"
    assert Window.at("daily", moment).end == datetime(2026, 11, 24, tzinfo=UTC)


def test_the_table_of_a_snapshot_can_be_read_by_itself(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"), builder("b"))
    published = look.publish()
    assert look.warehouse.read(IMAGE_BUILDERS, published.snapshot_id).schema.equals(IMAGE_BUILDERS.schema)
    assert look.warehouse.head(IMAGE_BUILDERS, published.snapshot_id, 1)["name"].to_pylist() == ["a"]


def test_a_commit_knows_the_rows_of_its_files(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a", VpcConfig={"SubnetIds": ["s1", "s2"]}), builder("b")])
    published = look.publish()
    home = Path(look.warehouse.location)
    assert damage(look.warehouse) == []
    (rows,) = {row["table_rows"] for row in published.rows}
    assert json.loads(rows) == {name: n for name, n in published.counts.items() if name != "extracts"}
    subnets, builders = (home / published.paths[name] for name in ("image_builder_subnets", "image_builders"))
    pq.write_table(pq.read_table(subnets, partitioning=None).slice(1), subnets)
    other = builders.with_name(f"{published.snapshot_id[:-4]}0000.parquet")
    shutil.copy(builders, other)
    builders.unlink()
    assert damage(look.warehouse) == [
        {"path": published.paths["image_builders"], "rows_committed": None, "rows_found": None},
        {"path": str(other.relative_to(home)), "rows_committed": None, "rows_found": 2},
        {"path": published.paths["image_builder_subnets"], "rows_committed": 2, "rows_found": 1},
    ]


def test_the_rows_of_the_newest_days_files_are_counted_and_older_files_are_not_opened(
    looker: Callable[..., Looker],
) -> None:
    look = looker(builder("a"))
    paths = []
    for day in range(3):
        look.sandbox.clock.set(NOON + day * DAY)
        paths.append(look.publish().paths["image_builders"])
    files = [Path(look.warehouse.location, path) for path in paths]
    files[0].write_bytes(b"")
    assert damage(look.warehouse) == []
    for file in files[1:]:
        pq.write_table(pq.read_table(file, partitioning=None).slice(1), file)
    assert damage(look.warehouse) == [{"path": path, "rows_committed": 1, "rows_found": 0} for path in paths[1:]]
