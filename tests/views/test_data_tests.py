"""Data tests: each holds over a week of the sandbox, and each can fail."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import sqlglot

import pipeline
from pipeline import views
from pipeline.errors import ViewError
from pipeline.views.catalogue import views_of_files
from pipeline.views.data_tests import DataTest, data_tests
from pipeline.views.database import DATABASE
from pipeline.views.dependencies import reads
from pipeline.warehouse import Warehouse

TESTS = data_tests()


@pytest.mark.parametrize("test", TESTS, ids=lambda t: f"{t.view}.{t.name}")
def test_it_holds_over_a_week(test: DataTest, week: Warehouse) -> None:
    assert views.query(week, test.query).to_pylist() == []
    assert test.holds.endswith(".")
    assert test.view in {view.name for view in views.all_views()}


def test_every_view_of_sql_has_data_tests() -> None:
    tested = {test.view for test in TESTS}
    assert {view.name for view in views_of_files() if not view.parameters} == tested


@pytest.mark.parametrize("test", TESTS, ids=lambda t: f"{t.view}.{t.name}")
def test_it_is_carried_over_to_other_engines(test: DataTest) -> None:
    for dialect in ("spark", "trino"):
        sqlglot.transpile(test.query, read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)


@pytest.mark.parametrize("view", [v.name for v in views_of_files() if not v.parameters])
def test_no_view_depends_on_the_time_zone_of_a_session(view: str, week: Warehouse) -> None:
    answers = []
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        with duckdb.connect(str(Path(week.location) / DATABASE), read_only=True) as connection:
            connection.execute(f"set TimeZone = '{zone}'")
            rows = connection.sql(f"from {view}").fetchall()
        answers.append(sorted([_comparable(value) for value in row] for row in rows))
    assert answers[0]
    assert answers[1:] == answers[:1] * 2


def _comparable(value: object) -> str:
    if isinstance(value, datetime):
        return str(value.astimezone(UTC))
    # Threads add up numbers in any order.
    return f"{value:.6f}" if isinstance(value, float) else str(value)


DAMAGE = {
    "image_builder_history.began": "update t set ended = 'changed' where is_current",
    "image_builder_history.current_is_current": "update t set state = 'LOST' where is_current",
    "image_builder_history.no_overlap": "update t set valid_to = valid_from - interval 1 day",
    "image_builder_history.one_current": "update t set is_current = true",
    "image_builder_changes.deleted_is_gone": "update t set change = 'deleted', changed_at = now() where field is null",
    "image_builder_changes.in_order": "update t set changed_after = changed_at + interval 1 day",
    "image_builder_changes.values_differ": "update t set from_value = to_value",
    "image_builder_spans.bounds": "update t set hours_low = hours_high + 1",
    "image_builder_spans.no_overlap": "update t set last_seen_at = last_seen_at + interval 9 day",
    "running_spans.bounds": "update t set started_after = first_seen_at + interval 1 day",
    "running_spans.running_now_is_open": "update t set is_open = false",
    "running_cost.bounds": "update t set hours_high = 25",
    "volume_cost.bounds": "update t set hours_low = hours_high + 1",
    "cost_by_day.sums": "update t set usd_estimate = usd_estimate + 1",
    "cost_by_month.sums": "update t set usd_estimate = usd_estimate + 1",
    "burn_rate.every_builder_is_there": "delete from t where is_billed",
    "image_builder_pieces.in_order": "update t set last_seen_at = last_seen_at + interval 9 day",
    "image_builder_intervals.in_order": "update t set to_second = to_second + 1",
    "image_builder_owner_history.in_order": "update t set owned_to = date '2026-11-20'",
    "image_builder_tags_told.one_newest": "update t set is_newest = false",
    "running_cost.every_hour_is_there": "update t set hours_estimate = hours_estimate / 2",
    "running_cost.unpriced_is_not_free": "update t set usd_low = 0 where not is_priced",
    "findings.every_builder_and_rule": "delete from t where rule = 'failed'",
    "findings.status_is_told": "update t set status = null where rule = 'failed'",
    "error_log.current_errors_are_there": "update t set is_current = false",
    "image_usage.every_builder_is_counted": "update t set builders = builders + 1",
    "prices.no_overlap": "insert into t select * replace (date '2026-11-20' as valid_from) from t",
    "image_builder_sightings.looks_are_numbered": "update t set complete_no = complete_no + 2",
    "coverage.gaps": "update t set gaps = -1",
    "subnet_usage.running_is_part": "update t set running = builders + 1",
    "security_group_usage.running_is_part": "update t set running = builders + 1",
}
"""What each test is to find; those of unique keys are to find every row twice."""


@pytest.mark.parametrize("test", TESTS, ids=lambda t: f"{t.view}.{t.name}")
def test_it_finds_what_it_looks_for(test: DataTest, week: Warehouse) -> None:
    damage = DAMAGE.get(f"{test.view}.{test.name}")
    if test.name == "not_null":
        (view,) = (view for view in views.all_views() if view.name == test.view)
        damage = f"update t set {view.not_null[-1]} = null"
    if damage is None:
        assert test.name == "unique_key"
        damage = "insert into t select * from t"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{Path(week.location) / DATABASE}' as week (read_only)")
        for other in reads(test.query).views - {test.view}:
            connection.execute(f"create table {other} as from week.{other}")
        connection.execute(f"create table t as from week.{test.view}")
        connection.execute(damage)
        connection.execute(f"alter table t rename to {test.view}")
        assert connection.sql(test.query).to_arrow_table().num_rows > 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("coverage", "-- No gap is less than none.\nselect 1\n", "the file is not named <view>.<test>.sql"),
        ("coverage.mine", "select 1\n", "the file does not begin with a comment that says what holds"),
        ("coverage.mine", "-- No gap is less than none.\n", "or has no query"),
    ],
)
def test_a_file_that_does_not_say_what_holds_is_refused(
    name: str, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(Path(str(pipeline.sql_folder())), copied)
    (copied / "tests" / f"{name}.sql").write_text(text)
    monkeypatch.setattr("pipeline.views.sql_files.sql_folder", lambda: copied)
    data_tests.cache_clear()
    with pytest.raises(ViewError, match=f"^sql/tests/{name}.sql: .*{said}"):
        data_tests()
