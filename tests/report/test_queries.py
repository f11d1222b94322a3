"""What the report and the alerts say of estates that are so small that every row can be told."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.report import alerts, queries
from pipeline.sandbox.server import ACCOUNT
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay, settings_of
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MEDIUM = "stream.standard.medium"


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def made(name: str, region: str = "us-east-1", **members: Any) -> dict[str, Any]:
    kind: dict[str, Any] = {"InstanceType": MEDIUM, "Platform": "RHEL8", "CreatedTime": NOON.timestamp()}
    return builder(name, region, **(kind | members))


def one(home: Warehouse, name: str, *names: str) -> dict[str, Any]:
    """The row of a query of sql/report that has one, and reads these views."""
    with views.connect(home, views.Settings.read(settings_of()), names) as connection:
        return queries.ask_one(connection, name)


def sheet(home: Warehouse, name: str, *names: str) -> queries.Sheet:
    """A table of the report that reads these views."""
    with views.connect(home, views.Settings.read(settings_of()), names) as connection:
        return queries.sheet(connection, name, 30)


def test_a_builder_that_ran_unpriced_for_days_is_one_builder(home: Warehouse) -> None:
    Path("prices.csv").write_text(f"instance_type,usd\n{MEDIUM},1\n")
    strange = made("strange", InstanceType="stream.x", RootVolumeConfig={"VolumeSizeInGb": 300})
    for day in range(4):
        replay.replay(home, NOON + day * DAY, {"us-east-1": Look([made("a"), strange])})
    assert one(home, "cost", "cost_by_day", "looks") == {
        "hours_low": 0.0,
        "hours_estimate": 144.0,
        "hours_high": 144.0,
        "usd_low": 0.0,
        "usd_estimate": 72.0,
        "usd_high": 72.0,
        "volume_usd_estimate": None,
        "days": 4,
        "unpriced_hours": 72.0,
        "unpriced": 1,
    }


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (f"{MEDIUM},0.1", {"usd_per_month": 73.0, "volume_usd_per_month": None, "unpriced": 1}),
        ("root-volume,0.5", {"usd_per_month": 50.0, "volume_usd_per_month": 50.0, "unpriced": 1}),
        (f"{MEDIUM},0.1\nroot-volume,0.5", {"usd_per_month": 123.0, "volume_usd_per_month": 50.0, "unpriced": 0}),
    ],
)
def test_the_rate_of_a_month_is_made_of_what_has_a_price(
    prices: str, expected: dict[str, Any], home: Warehouse
) -> None:
    Path("prices.csv").write_text(f"instance_type,usd\n{prices}\n")
    for hour in range(2):
        seen = made("a", RootVolumeConfig={"VolumeSizeInGb": 300})
        replay.replay(home, NOON + hour * HOUR, {"us-east-1": Look([seen])}, "hourly")
    assert one(home, "month", "burn_rate") == pytest.approx(expected)


def test_a_region_that_was_taken_out_of_the_configuration_is_no_target_any_more(home: Warehouse) -> None:
    abroad = Look([made("b", "eu-west-1")])
    both = {"us-east-1": Look([made("a")]), "eu-north-1": Look(None)}
    replay.replay(home, NOON, both | {"eu-west-1": abroad, "eu-central-1": Look(None)})
    replay.replay(home, NOON + DAY, both)
    read = ("snapshots", "coverage", "findings", "image_builders_current", "image_builder_history", "looks")
    figures = one(home, "figures", *read, "image_builder_states")
    assert (figures["targets"], figures["targets_seen"]) == (2, 1)
    coverage = sheet(home, "coverage", "coverage")
    assert [row[coverage.columns.index("region")] for row in coverage.rows] == ["eu-north-1", "us-east-1"]
    assert [alert.key for alert in alerts.current_alerts(home, "high")] == [f"coverage/{ACCOUNT}/eu-north-1"]


def test_states_of_a_region_are_told_up_to_the_last_look_at_it(home: Warehouse) -> None:
    both = {"us-east-1": Look([made("a")]), "eu-west-1": Look([made("b", "eu-west-1", State="STOPPED")])}
    replay.replay(home, NOON, both)
    for day in (1, 2):
        replay.replay(home, NOON + day * DAY, {"us-east-1": Look([made("a")])})
    with views.connect(home, names=["looks", "coverage", "image_builder_history"]) as connection:
        rows = queries.series(connection, "states_by_day", 60).rows
    first = date(2026, 11, 23)
    assert [tuple(row.values()) for row in rows] == [
        (first, "RUNNING", 1),
        (first, "STOPPED", 1),
        (first + DAY, "RUNNING", 1),
        (first + 2 * DAY, "RUNNING", 1),
    ]


def test_a_table_that_is_cut_says_how_many_rows_there_are(home: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_ROWS", 2)
    seen = [made(name, IamRoleArn="arn:r") for name in ("a", "b", "c")]
    replay.replay(home, NOON, {"us-east-1": Look(seen)})
    estate = sheet(home, "estate", "image_builders_current", "image_builder_owners", "running_spans")
    assert ([row[0] for row in estate.rows], estate.total) == (["a", "b"], 3)
    assert estate.builders == [b["Arn"] for b in seen[:2]]
    # Of findings the query lists some of each rule, and the sheet all of those.
    found = sheet(home, "findings", "findings")
    (role,) = [s for s in queries.sections(found) if s.sheet.title.startswith("Carries an IAM role")]
    assert (len(role.sheet.rows), role.sheet.total) == (3, 3)
    assert len(found.rows) == found.total == len(found.builders)
