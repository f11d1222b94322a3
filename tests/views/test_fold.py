"""The fold changes no answer: whatever is folded, whenever, and whatever becomes of its files."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import contract, views
from pipeline.contract import IMAGE_BUILDERS
from pipeline.errors import QueryError, QueryTimeoutError, WarehouseError
from pipeline.settings import Environment
from pipeline.settings.rules import read_rules
from pipeline.views import fold_version, folded, usable
from pipeline.views.catalogue import catalogue
from pipeline.views.dependencies import reads
from pipeline.views.usable import sources
from pipeline.warehouse import Warehouse, tend
from pipeline.warehouse.folds import newest_fold
from pipeline.warehouse.forgetting import forget
from pipeline.warehouse.holdings import FOLD
from pipeline.windows import Window
from tests.support.effort import SEED, often
from tests.support.estates import NOON, StartSandbox, builder
from tests.support.lives import Region, live_a_day
from tests.support.replay import Look, replay
from tests.support.store import BUCKET, make_bucket

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST = NOON.replace(hour=0)

FOLDED = (
    "image_builder_history",
    "image_builder_changes",
    "image_builder_spans",
    "running_seconds",
    "volume_seconds",
    "looks_by_day",
    "watched_targets",
    "image_builder_owner_history",
    "errors_seen",
    "finding_facts",
    "platforms",
)
"""The views that a fold is read by; all others are made of them."""

BRIEFLY = ("image_builder_history", "image_builder_changes", "running_seconds")
"""Of each kind one: what begins and ends, what happens at a moment, what is by the day."""

MADE_OF_THEM = ("running_cost", "volume_cost", "cost_by_month", "findings", "error_log", "burn_rate")


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def is_folded(home: Warehouse, settings: views.Settings | None = None) -> bool:
    """Whether a question of history goes by a fold."""
    return bool(sources(home, home.holdings(), settings or views.Settings(), ["image_builder_history"], True).folded)


def answers(
    home: Warehouse, names: tuple[str, ...], with_fold: bool, settings: views.Settings | None = None
) -> dict[str, pa.Table]:
    with views.connect(home, settings, names, with_fold=with_fold) as connection:
        return {name: connection.sql(f"from {name}").to_arrow_table() for name in names}


def require_same(
    home: Warehouse, names: tuple[str, ...] = BRIEFLY, settings: views.Settings | None = None
) -> dict[str, pa.Table]:
    """What both tell, which are the same rows, each as often."""
    scratch, over = (answers(home, names, with_fold, settings) for with_fold in (False, True))
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name in names:
            connection.register("a", scratch[name])
            connection.register("b", over[name])
            # Threads add up numbers in any order.
            columns = ", ".join(
                f"round({field.name}, 6)" if pa.types.is_floating(field.type) else field.name
                for field in scratch[name].schema
            )
            for one, other in (("a", "b"), ("b", "a")):
                differing = connection.sql(
                    f"select {columns} from {one} except all select {columns} from {other}"
                ).fetchall()
                assert differing == [], (name, one, differing[:2])
    return over


@pytest.mark.slow
@pytest.mark.parametrize("number", range(often(2, 20)))
def test_random_histories_folded_day_by_day_are_the_same(number: int, home: Warehouse) -> None:
    """Of 25 regions with four names each: two hundred histories, in two warehouses."""
    rng = random.Random(f"{SEED} {number}")
    regions = [Region(f"region-{n}", random.Random(f"{SEED} {number} {n}")) for n in range(25)]
    replay(home, FIRST + timedelta(minutes=1), {region.name: region.look() for region in regions})
    asked = 0
    for day in range(often(6, 40)):
        start = FIRST + day * DAY
        live_a_day(home, regions, start, rng)
        now = start + DAY + rng.randint(0, 23) * HOUR
        if rng.random() < 0.5:
            tend(home, now)
        if rng.random() < 0.15:
            shutil.rmtree(Path(home.location, FOLD), ignore_errors=True)
        if rng.random() < 0.9:
            views.fold(home, None, now, rng.choice([10, 300, 10**6]))
        if rng.random() < 0.2:
            tend(home, now + DAY)  # Joined anew, and not folded since.
        if is_folded(home):
            asked += 1
            require_same(home, FOLDED)
    assert asked >= 3
    require_same(home, MADE_OF_THEM)


def of_a_week(home: Warehouse, hours: tuple[int, ...] = (3, 12)) -> None:
    """Ten days of a builder that runs, one that stops at night, and one that stops every other day; with tags."""
    for day in range(10):
        for hour in hours:
            seen = [
                builder("a", CreatedTime=FIRST.timestamp(), InstanceType="stream.standard.medium"),
                builder(
                    "b",
                    CreatedTime=FIRST.timestamp(),
                    State="RUNNING" if hour == 12 else "STOPPED",
                    InstanceType="stream.standard.medium",
                    RootVolumeConfig={"VolumeSizeInGb": 300},
                ),
            ]
            seen.append(builder("c", CreatedTime=FIRST.timestamp(), State="RUNNING" if day % 2 else "STOPPED"))
            tags = {"a": {"Owner": "x" if day < 4 else "y"}, "b": {"Owner": "z"}}
            replay(home, FIRST + day * DAY + hour * HOUR, {"us-east-1": Look(seen, tags=tags)}, "hourly")


AFTER = FIRST + 10 * DAY


@pytest.fixture
def bucket_home(start_sandbox: StartSandbox) -> Warehouse:
    make_bucket(start_sandbox())
    return Warehouse(f"s3://{BUCKET}/w", grace=0.0)


@pytest.fixture(scope="module")
def folded_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folded warehouse, for tests that change a copy."""
    home = Warehouse(str(tmp_path_factory.mktemp("folded") / "warehouse"), grace=0.0)
    of_a_week(home)
    tend(home, AFTER)
    assert views.fold(home, None, AFTER) == (FIRST + 8 * DAY).date()
    return Path(home.location)


@pytest.fixture
def week_home(folded_week: Path, tmp_path: Path) -> Warehouse:
    shutil.copytree(folded_week, tmp_path / "warehouse")
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def test_what_is_settled_is_read_from_the_fold_and_from_no_commit(week_home: Warehouse) -> None:
    told = sources(week_home, week_home.holdings(), views.Settings(), FOLDED, True)
    assert told.folded
    with views.connect(week_home, names=["image_builder_history"]) as connection:
        days = connection.sql("select distinct snapshot_date from raw.unfolded_image_builders order by 1").fetchall()
        finished = connection.sql("select count(*) from folded.image_builder_history").fetchall()
    assert days == [((FIRST + 9 * DAY).date(),)]
    assert finished[0][0] > 10
    require_same(week_home, (*FOLDED, *MADE_OF_THEM))


def test_a_step_takes_so_many_sightings_and_the_next_goes_on(home: Warehouse) -> None:
    of_a_week(home)
    through = [views.fold(home, None, AFTER, most=13) for _ in range(6)]
    assert through == [(FIRST + n * DAY).date() for n in (1, 3, 5, 7, 8, 8)]
    require_same(home)


def test_a_step_with_nothing_new_reads_no_row(week_home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.views.folding.connection_to", lambda *_, **__: pytest.fail("a row was asked for"))
    assert views.fold(week_home, None, AFTER) == (FIRST + 8 * DAY).date()
    with pytest.raises(pytest.fail.Exception):
        views.fold(week_home, None, AFTER + DAY)


@pytest.mark.parametrize("with_fold", [False, True])
def test_what_is_computed_beforehand_changes_no_answer(with_fold: bool, week_home: Warehouse) -> None:
    """In a small warehouse, what other views read is a table."""
    names = (*MADE_OF_THEM, "image_builder_history", "image_builders_current", "coverage", "cost_by_day")
    told = []
    for with_kept in (True, False):
        with views.connect(week_home, names=names, with_fold=with_fold, with_kept=with_kept) as connection:
            tables = {row[0] for row in connection.sql("select table_name from duckdb_tables()").fetchall()}
            assert ("finding_facts" in tables) is with_kept
            told.append({name: sorted(map(repr, connection.sql(f"from {name}").fetchall())) for name in names})
    for name in names:
        assert re.sub(r"(\d\.\d{6})\d+", r"\1", str(told[0][name])) == re.sub(
            r"(\d\.\d{6})\d+", r"\1", str(told[1][name])
        ), name
        assert told[0][name] or name == "error_log"


def test_a_view_that_fails_costs_those_that_read_it(week_home: Warehouse) -> None:
    rules = read_rules()
    broken = replace(rules.rules[0], fails="cast(facts.name as int) = 1", passes="false")
    settings = views.Settings(rules=replace(rules, rules=(broken, *rules.rules[1:])))
    with views.Answers(week_home, settings) as asked:
        assert asked.ask(lambda c: c.sql("from image_builders_current").fetchall())
        with pytest.raises(duckdb.ConversionException):
            asked.ask(lambda c: c.sql("from findings").fetchall())


def test_nothing_settled_is_nothing_folded(home: Warehouse) -> None:
    replay(home, NOON, {"us-east-1": Look([builder("a")])})
    assert views.fold(home, None, NOON + DAY) is None
    assert not Path(home.location, FOLD).exists()


def damage_files(home: Warehouse, content: bytes | None) -> None:
    for path in Path(home.location, FOLD).rglob("*.parquet"):
        if content is None:
            path.unlink()
        else:
            size = path.stat().st_size
            path.write_bytes((content * size)[: size if len(content) > 1 else 10])


def damage_rows(home: Warehouse) -> None:
    """Of the same size, with a footer that reads; what is compressed does not."""
    for path in Path(home.location, FOLD, "image_builder_history").rglob("*.parquet"):
        told = bytearray(path.read_bytes())
        told[4 : len(told) // 2] = bytes(len(told) // 2 - 4)
        path.write_bytes(told)


def manifest(home: Warehouse) -> str:
    (path,) = Path(home.location, FOLD).glob("*.json.gz")
    return gzip.decompress(path.read_bytes()).decode()


def write_manifest(home: Warehouse, content: bytes, digest: str | None = None) -> None:
    """In the place of the one that is there; under a name that is right, unless a digest is given."""
    (path,) = Path(home.location, FOLD).glob("*.json.gz")
    path.unlink()
    digest = digest or hashlib.sha256(content).hexdigest()[:16]
    path.with_name(f"{path.name.partition('-')[0]}-{digest}.json.gz").write_bytes(content)


DAMAGES: dict[str, Callable[[Warehouse], object]] = {
    "deleted": lambda home: shutil.rmtree(Path(home.location, FOLD)),
    "without its files": lambda home: damage_files(home, None),
    "files cut": lambda home: damage_files(home, b"x"),
    "files of other bytes": lambda home: damage_files(home, b"nonsense"),
    "rows that do not read": damage_rows,
    "a manifest of other bytes": lambda home: write_manifest(home, b"{", "0" * 16),
    "a manifest that is not compressed": lambda home: write_manifest(home, b"{}"),
    "a manifest that is no JSON": lambda home: write_manifest(home, gzip.compress(b"{")),
    "a manifest of something else": lambda home: write_manifest(home, gzip.compress(b'{"version": 1}')),
    "a manifest that is cut": lambda home: write_manifest(home, gzip.compress(manifest(home).encode())[:-9]),
    "a manifest that does not unpack": lambda home: write_manifest(home, gzip.compress(b"{}")[:10] + b"nonsense" * 4),
    "of another version": lambda home: write_manifest(
        home, gzip.compress(json.dumps(json.loads(manifest(home)) | {"version": "other"}).encode())
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_fold_that_is_deleted_damaged_or_of_another_version_is_ignored_and_made_anew(
    what: str, whole: dict[str, int], week_home: Warehouse
) -> None:
    DAMAGES[what](week_home)
    for name, count in whole.items():
        assert views.query(week_home, f"select * from {name}").num_rows == count > 0
    with views.Answers(week_home, names=["image_builder_history"]) as asked:
        rows = asked.ask(lambda c: c.sql("select count(*) from image_builder_history").fetchall())
        assert rows == [(whole["image_builder_history"],)]
    assert views.fold(week_home, None, AFTER) == (FIRST + 8 * DAY).date()
    assert is_folded(week_home)
    require_same(week_home)


@pytest.fixture(scope="module")
def whole(folded_week: Path) -> dict[str, int]:
    """How many rows some views have of the week."""
    names = ("image_builder_history", "image_builder_changes", "running_cost")
    return {name: told.num_rows for name, told in answers(Warehouse(str(folded_week)), names, False).items()}


def test_what_is_asked_is_answered_by_prices_owners_and_rules_of_now(week_home: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("instance_type,usd\n*,2.0\n")
    (tmp_path / "findings.yaml").write_text(
        "owner_tags: [team]\nbilled_states: [RUNNING, STOPPED]\nproof_hours: 24\n"
        "working_hours: {utc_offset: '+00:00', days: [monday], from: '08:00', to: '10:00'}\n"
    )
    before = answers(week_home, ("running_cost",), True)
    environment = Environment.read(
        {
            "IMAGE_BUILDERS_PRICES": str(tmp_path / "prices.csv"),
            "IMAGE_BUILDERS_FINDINGS": str(tmp_path / "findings.yaml"),
        },
        tmp_path,
    )
    settings = views.Settings.read(environment)
    assert is_folded(week_home, settings)
    after = require_same(week_home, MADE_OF_THEM, settings)
    assert not after["running_cost"].equals(before["running_cost"])
    assert set(after["running_cost"]["owner"].to_pylist()) == {None}
    # The next run folds by the new rules.
    views.fold(week_home, settings, AFTER)
    fold = newest_fold(week_home, week_home.holdings(), fold_version.version())
    assert fold
    assert fold.rules == fold_version.rules_of(settings)
    require_same(week_home, ("image_builder_spans", "running_cost", "volume_cost", "findings"), settings)


def test_every_rule_that_finished_hours_depend_on_is_of_the_fold() -> None:
    """Those that `TIMED` views read of the settings, and no others."""
    own = {"image_builder_states", "close_looks", "working_hours"}
    found: set[str] = set()
    known = {view.name: view for view in views.all_views()}
    for name in folded.TIMED:
        found |= {read for read in reads(known[name].query).views if read in SETTINGS}
    assert found == own
    rules = read_rules()
    changed = [
        replace(rules, billed_states=("RUNNING",)),
        replace(rules, proof_hours=5.0),
        replace(rules, working_hours=((0, 1, 2),)),
    ]
    told = {fold_version.rules_of(views.Settings(rules=each)) for each in (rules, *changed)}
    assert len(told) == 4


SETTINGS = {"image_builder_states", "close_looks", "working_hours", "owner_tags", "finding_rules", "price_file"}


def test_what_is_forgotten_is_in_no_fold(week_home: Warehouse) -> None:
    forget(week_home, (FIRST + 3 * DAY).date(), now=AFTER)
    assert not list(Path(week_home.location, FOLD).rglob("*.parquet"))
    require_same(week_home)
    views.fold(week_home, None, AFTER)
    assert is_folded(week_home)
    told = require_same(week_home)
    assert min(told["image_builder_history"]["valid_from"].to_pylist()) >= FIRST + 3 * DAY


def test_a_fold_of_snapshots_that_were_forgotten_since_is_none(week_home: Warehouse) -> None:
    kept = {path: path.read_bytes() for path in Path(week_home.location, FOLD).rglob("*") if path.is_file()}
    forget(week_home, (FIRST + 3 * DAY).date(), now=AFTER)
    for path, content in kept.items():  # As if it had not been removed.
        path.write_bytes(content)
    assert not is_folded(week_home)
    require_same(week_home)
    views.fold(week_home, None, AFTER)
    require_same(week_home)


def test_joining_makes_no_fold_anew(home: Warehouse) -> None:
    of_a_week(home)
    views.fold(home, None, AFTER)
    before = newest_fold(home, home.holdings(), fold_version.version())
    tend(home, AFTER)
    assert not is_folded(home)  # Until it is told of the files that the snapshots lie in now.
    require_same(home)
    views.fold(home, None, AFTER)
    after = newest_fold(home, home.holdings(), fold_version.version())
    assert is_folded(home)
    assert before
    assert after
    assert before.relations == after.relations
    told = require_same(home)
    assert any(i.endswith("-day") for i in told["image_builder_history"]["snapshot_id"].to_pylist())
    tend(home, AFTER + 40 * DAY)
    views.fold(home, None, AFTER + 40 * DAY)
    assert is_folded(home)
    told = require_same(home)
    assert any(i.endswith("-year") for i in told["image_builder_history"]["snapshot_id"].to_pylist())


def test_a_snapshot_whose_look_ended_after_the_next_days_first_is_folded_with_that_day(home: Warehouse) -> None:
    """History goes by moments: the window of a day may be looked at until after midnight."""
    seen = {"us-east-1": Look([builder("a", State="RUNNING")])}
    other = {"us-east-1": Look([builder("a", State="STOPPED")])}
    replay(home, NOON, seen)
    replay(home, NOON + DAY, seen)
    late = NOON + 2 * DAY + 14 * HOUR
    # Its rows are of after midnight, and the hour's look was before that.
    replay(home, late - timedelta(hours=13, minutes=40), other, "hourly")
    replay(home, late, seen, window=Window.at("daily", NOON + 2 * DAY))
    replay(home, late - timedelta(minutes=50), other, "hourly")
    for day in (4, 5, 6, 7):
        replay(home, NOON + day * DAY, seen)
        through = views.fold(home, None, NOON + day * DAY)
        require_same(home)
    assert through == (NOON + 5 * DAY).date()


@pytest.mark.parametrize("created", [FIRST.timestamp(), (NOON + 2 * DAY).timestamp()])
def test_a_row_that_was_refreshed_after_the_next_windows_look_comes_after_it(created: float, home: Warehouse) -> None:
    """A look by name may end after midnight, and after the look of the next window that AWS left the builder out of."""
    before = builder("a", CreatedTime=FIRST.timestamp(), RootVolumeConfig={"VolumeSizeInGb": 300})
    replay(home, NOON, {"us-east-1": Look([before, builder("b")])})
    replay(home, FIRST + DAY + timedelta(minutes=5), {"us-east-1": Look([builder("b")])})
    late = FIRST + DAY + timedelta(minutes=10)
    replay(home, late, {"us-east-1": Look([before], complete=False)}, window=Window.at("daily", NOON))
    views.fold(home, None, NOON + 3 * DAY)
    require_same(home, (*BRIEFLY, "volume_seconds"))
    replay(home, NOON + 2 * DAY, {"us-east-1": Look([before | {"CreatedTime": created}, builder("b")])})
    require_same(home, (*BRIEFLY, "volume_seconds"))
    views.fold(home, None, NOON + 5 * DAY)
    told = require_same(home, (*BRIEFLY, "volume_seconds"))
    began = [row["valid_from"] for row in told["image_builder_history"].to_pylist() if row["name"] == "a"]
    assert began
    assert len(began) == len(set(began))


def test_two_looks_of_one_second_are_two(home: Warehouse) -> None:
    replay(home, NOON - DAY, {"us-east-1": Look([builder("a", State="STOPPED", Platform="WINDOWS")])})
    at = NOON + timedelta(milliseconds=100)
    replay(home, at, {"us-east-1": Look([builder("a", Platform="WINDOWS")])})
    stopped = {"us-east-1": Look([builder("a", State="STOPPED", Platform="WINDOWS")])}
    replay(home, at + timedelta(milliseconds=500), stopped, "hourly")
    replay(home, NOON + DAY, stopped)
    for now in (NOON + 2 * DAY, NOON + 3 * DAY, NOON + 4 * DAY):
        views.fold(home, None, now)
        require_same(home)


def test_nothing_is_folded_while_a_file_is_gone(week_home: Warehouse) -> None:
    shutil.rmtree(Path(week_home.location, FOLD))
    path = next(Path(week_home.location, "image_builders").rglob("*.parquet"))
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(WarehouseError, match=r"which belongs to a committed snapshot, is gone\. Put it back"):
        views.fold(week_home, None, AFTER)
    path.write_bytes(content)
    views.fold(week_home, None, AFTER)
    require_same(week_home)


def test_a_file_that_cannot_be_read_is_one_sentence(week_home: Warehouse) -> None:
    shutil.rmtree(Path(week_home.location, FOLD))
    for path in Path(week_home.location, "image_builders").rglob("*.parquet"):
        told = bytearray(path.read_bytes())
        told[4 : len(told) // 2] = bytes(len(told) // 2 - 4)
        path.write_bytes(told)
    with pytest.raises(WarehouseError, match=r"^The warehouse .* cannot be (folded|written): "):
        views.fold(week_home, None, AFTER)


def test_a_mistake_in_a_question_is_told_once(week_home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to ask again without the fold."""
    asked, real = [], views.connect

    def connect(*given: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        asked.append(options["with_fold"])
        return real(*given, **options)

    monkeypatch.setattr("pipeline.views.asking.connect", connect)
    with pytest.raises(QueryError, match="Could not convert"):
        views.query(week_home, "select cast(name as int) from image_builder_history")
    assert asked == [True]


def test_a_limit_of_time_holds_for_what_is_computed_before_the_question(week_home: Warehouse) -> None:
    with pytest.raises(QueryTimeoutError):
        views.query(week_home, "select count(*) from image_builder_changes", timeout=0.01)


def test_a_look_that_tells_of_a_time_that_is_folded_makes_no_use_of_the_fold(week_home: Warehouse) -> None:
    """As where a clock was set back: then there is no order in which it could be added."""
    seen = {"us-east-1": Look([builder("a", State="STOPPED", CreatedTime=FIRST.timestamp())])}
    replay(week_home, FIRST + 5 * DAY + 5 * HOUR, seen, window=Window.at("daily", AFTER))
    require_same(week_home)
    views.fold(week_home, None, AFTER + 2 * DAY)
    require_same(week_home)


@pytest.mark.parametrize("condition", [f"arn = '{builder('b')['Arn']}'", "name = 'b'"])
def test_a_filter_reaches_the_rows(condition: str, week_home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one builder's history its rows alone are read, with a fold and without."""
    monkeypatch.setattr(usable, "SMALL", 0)
    for view in ("image_builder_history", "image_builder_spans", "image_builder_changes"):
        # Of changes without a fold, lists are compared of all builders.
        for with_fold in (True,) if view == "image_builder_changes" else (False, True):
            with views.connect(week_home, names=[view], with_fold=with_fold) as connection:
                query = f"select * from {view} where {condition}"
                ((_, plan),) = connection.sql(f"explain (format json) {query}").fetchall()
            scans = [node for node in nodes(json.loads(plan)) if "READ_PARQUET" in node["name"] and reads_rows(node)]
            assert scans
            assert all(condition in str(node.get("extra_info", {}).get("Filters", "")) for node in scans), view


def test_windows_go_by_all_that_people_filter_builders_by() -> None:
    known = {view.name: view for view in views.all_views()}
    for name in ("image_builder_history", "image_builder_comparisons", *folded.TIMED):
        found = re.findall(r"partition by ([^\n]+)", known[name].query)
        assert set(found) <= {"account_id, region, arn, name"}, name


def nodes(plan: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in plan:
        yield node
        yield from nodes(node.get("children", []))


def reads_rows(node: dict[str, Any]) -> bool:
    """Whether it reads rows of image builders: those of the commits say which looks there were."""
    return "window_start" not in str(node)


def test_a_column_that_is_new_in_the_contract_folds_anew(week_home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fold_version.version()
    column = contract.Column("colour", contract.TEXT, "Its colour.", "Colour")
    wider = replace(IMAGE_BUILDERS, columns=(*IMAGE_BUILDERS.columns, column))
    for module in ("pipeline.views.folded", "pipeline.contract"):
        monkeypatch.setattr(f"{module}.IMAGE_BUILDERS", wider)
    monkeypatch.setattr("pipeline.views.fold_version.TABLES", (wider, *contract.TABLES[1:]))
    fold_version.version.cache_clear()
    assert fold_version.version() != before
    fold_version.version.cache_clear()


def test_the_queries_of_what_is_live_read_nothing_that_is_folded() -> None:
    known = folded.over_fold(catalogue())
    for name, view in known.items():
        if name.startswith("live."):
            told = reads(view.query)
            assert all(table.startswith("unfolded_") for table in told.raw_tables), name
            computed = set(folded.FOLDABLE) | {"looks", "image_builders", "extracts"}
            assert not told.views & computed, name


def test_the_finished_rows_are_sorted_and_their_files_few(week_home: Warehouse) -> None:
    for path in Path(week_home.location, FOLD, "image_builder_changes").glob("*.parquet"):
        arns = pq.read_table(path, columns=["arn"])["arn"].to_pylist()
        assert arns == sorted(arns)
    for day in range(10, 16):
        replay(week_home, NOON + day * DAY, {"us-east-1": Look([builder("a", State=("RUNNING", "STOPPED")[day % 2])])})
        views.fold(week_home, None, NOON + day * DAY)
    assert len(list(Path(week_home.location, FOLD, "image_builder_changes").glob("*.parquet"))) <= 3
    assert len(list(Path(week_home.location, FOLD).glob("*.json.gz"))) == 1
    require_same(week_home)


def test_it_is_the_same_in_a_bucket(bucket_home: Warehouse) -> None:
    of_a_week(bucket_home, hours=(12,))
    tend(bucket_home, AFTER)
    assert views.fold(bucket_home, None, AFTER) == (FIRST + 8 * DAY).date()
    assert is_folded(bucket_home)
    require_same(bucket_home, ("image_builder_history", "image_builder_changes", "running_seconds"))


def test_the_year_of_a_fold_ends_its_files(home: Warehouse) -> None:
    start = datetime(2026, 12, 29, 12, tzinfo=UTC)
    for day in range(8):
        replay(home, start + day * DAY, {"us-east-1": Look([builder("a", State=("RUNNING", "STOPPED")[day % 2])])})
        views.fold(home, None, start + day * DAY)
    fold = newest_fold(home, home.holdings(), fold_version.version())
    assert fold
    assert {file.year for file in fold.relations["image_builder_changes"].files} == {2026, 2027}
    require_same(home)
