"""Who is there, and how the looks went, where looks of one day and of several cadences lie beside each other."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def told(home: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in views.query(home, sql).to_pylist()]


def test_of_a_days_looks_the_newest_that_saw_a_region_tells_who_is_there(home: Warehouse) -> None:
    subnets: dict[str, Any] = {"VpcConfig": {"SubnetIds": ["s1"]}}
    us, eu = [builder("stays", **subnets), builder("goes", **subnets)], [builder("abroad", "eu-west-1", **subnets)]
    replay.replay(home, NOON, {"us-east-1": Look(us), "eu-west-1": Look(eu)}, "hourly")
    replay.replay(home, NOON + HOUR, {"us-east-1": Look(us[:1]), "eu-west-1": Look(None)}, "hourly")
    now = [("abroad", NOON), ("stays", NOON + HOUR)]
    for source, expected in (
        ("image_builders_current", now),
        (f"image_builders_as_of(timestamptz '{NOON + HOUR}')", now),
        (f"image_builders_as_of(timestamptz '{NOON}')", [(name, NOON) for name in ("abroad", "goes", "stays")]),
    ):
        rows = views.query(home, f"select name, observed_at from {source} order by name").to_pylist()
        assert [tuple(row.values()) for row in rows] == expected
    linked = "select split_part(arn, '/', 2) as name from image_builder_subnets_current order by name"
    assert views.query(home, linked)["name"].to_pylist() == ["abroad", "stays"]


@pytest.mark.parametrize(
    ("first", "second", "gaps"),
    [
        (("daily", NOON), ("hourly", NOON + 15 * HOUR), 0),  # Three hours of what was a day.
        (("hourly", NOON), ("daily", NOON + 36 * HOUR), 1),  # Thirty-five of what are days now.
    ],
)
def test_where_the_cadence_changed_gaps_are_those_of_the_longer_one(
    first: tuple[str, datetime], second: tuple[str, datetime], gaps: int, home: Warehouse
) -> None:
    for cadence, at in (first, second):
        replay.replay(home, at, {"us-east-1": Look([])}, cadence)
    replay.replay(home, second[1] + 2 * DAY, {"eu-west-1": Look([])}, second[0])  # It is configured no more.
    sql = "select is_configured, windows, windows_seen, gaps from coverage where region = 'us-east-1'"
    assert [tuple(row.values()) for row in views.query(home, sql).to_pylist()] == [(False, 2 + gaps, 2, gaps)]


def test_how_many_there_are_is_told_by_the_newest_look_that_saw_them(home: Warehouse) -> None:
    looks = [Look([builder("a"), builder("b")]), Look([builder("a")]), Look(None)]
    for number, look in enumerate(looks):
        replay.replay(home, NOON + number * DAY, {"us-east-1": look})
    columns = "last_status, last_error_code, last_look_at, last_success_at, first_look_at, builders, windows_seen"
    assert [tuple(row.values()) for row in views.query(home, f"select {columns} from coverage").to_pylist()] == [
        ("denied", "AccessDeniedException", NOON + 2 * DAY, NOON + DAY, NOON, 1, 2)
    ]


def test_the_first_hour_of_a_day_and_the_day_itself_are_two_windows(home: Warehouse) -> None:
    a, b = (builder(name, VpcConfig={"SubnetIds": [f"s-{name}"]}) for name in ("a", "b"))
    early = NOON - 11.5 * HOUR
    replay.replay(home, early, {"us-east-1": Look([a])}, "hourly")
    replay.replay(home, NOON, {"us-east-1": Look([a, b])}, "daily")
    seen = [(early, "a"), (NOON, "a"), (NOON, "b")]
    assert told(home, "select observed_at, name from image_builders order by all") == seen
    linked = "select observed_at, subnet_id from image_builder_subnets join image_builders using (snapshot_id, arn)"
    assert told(home, f"{linked} order by all") == [(at, f"s-{name}") for at, name in seen]
    assert told(home, "select observed_at, builders from extracts order by all") == [(early, 1), (NOON, 2)]


def test_a_region_looked_at_by_hand_is_there_until_the_configuration_is_looked_at_again(home: Warehouse) -> None:
    named, other = {"us-east-1": Look([builder("a")])}, Look([builder("z", "eu-west-1")], is_by_hand=True)
    asked = "select region, is_configured from coverage order by region"
    replay.replay(home, NOON, named, "hourly")
    replay.replay(home, NOON + HOUR, {"eu-west-1": other}, "hourly")
    assert told(home, "select name from image_builders_current order by name") == [("a",), ("z",)]
    assert told(home, asked) == [("eu-west-1", True), ("us-east-1", True)]
    replay.replay(home, NOON + 2 * HOUR, named, "hourly")
    assert told(home, "select name from image_builders_current") == [("a",)]
    assert told(home, asked) == [("eu-west-1", False), ("us-east-1", True)]


def test_looks_by_hand_remove_no_other_region(home: Warehouse) -> None:
    a, stopped = builder("a"), builder("a", State="STOPPED")
    replay.replay(home, NOON, {"us-east-1": Look([a]), "eu-west-1": Look([builder("z", "eu-west-1")])})
    replay.replay(home, NOON + DAY, {"us-east-1": Look([a], is_by_hand=True)})
    replay.replay(home, NOON + DAY + HOUR, {"us-east-1": Look([stopped], complete=False, is_by_hand=True)})
    replay.replay(home, NOON + DAY + 2 * HOUR, {"us-east-1": Look(None, is_by_hand=True)})
    assert told(home, "select name, state, last_look_status from image_builders_current order by name") == [
        ("a", "STOPPED", "denied"),
        ("z", "RUNNING", "ok"),
    ]
