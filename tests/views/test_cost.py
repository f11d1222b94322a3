"""Hours and cost against an account whose true hours are known, and what days, owners, months and volumes come to."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay, settings_of
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CREATED = (NOON - 100 * DAY).timestamp()
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
MEDIUM = "stream.standard.medium"


def made(name: str, **members: Any) -> dict[str, Any]:
    kind: dict[str, Any] = {"InstanceType": MEDIUM, "Platform": "WINDOWS_SERVER_2022", "CreatedTime": CREATED}
    return builder(name, **(kind | members))


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    Path("prices.csv").write_text(f"instance_type,usd\n{MEDIUM},0.1\nroot-volume,0.73\n")
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def told(home: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in views.query(home, sql, views.Settings.read(settings_of())).to_pylist()]


def look(home: Warehouse, at: datetime, *builders: dict[str, Any], tags: Any = None, complete: bool = True) -> None:
    replay.replay(home, at, {"us-east-1": Look(list(builders), complete, tags)}, "hourly")


def works(at: datetime) -> bool:
    return at.weekday() < 5 and timedelta(hours=9) <= at - at.replace(hour=0, minute=0) < timedelta(hours=17.5)


TRUE_HOURS, TRUE_BILLED = 6 * 8.5, 6 * 9
"""Of six builders on a working day."""


@pytest.mark.parametrize(
    ("moments", "days", "expected"),
    [
        # Thursday is the last of nine working days; what nobody saw in between is not proven.
        (lambda: (MONDAY + n * DAY + 15 * HOUR for n in range(-1, 11)), 9, (0, 6 * 204, 6 * 11 * 24)),
        (lambda: (MONDAY + n * DAY + 6 * HOUR for n in range(-1, 12)), 9, (0, 0, 6 * 12 * 24)),
        (lambda: (MONDAY + n * HOUR for n in range(3 * 24)), 3, (6 * 3 * 8, 6 * 3 * 9, 6 * 3 * 10)),
    ],
    ids=["daily-at-15", "daily-at-6", "hourly"],
)
def test_an_account_whose_true_hours_are_known(
    moments: Callable[[], Any], days: int, expected: tuple[float, ...], home: Warehouse
) -> None:
    for at in moments():
        state = "RUNNING" if works(at) else "STOPPED"
        look(home, at, *(made(f"b{n}", State=state) for n in range(6)))
    ((low, estimate, high, billed_low, billed_estimate, billed_high),) = told(
        home,
        "select sum(hours_low), sum(hours_estimate), sum(hours_high), sum(billed_hours_low), "
        "sum(billed_hours_estimate), sum(billed_hours_high) from running_cost",
    )
    assert (low, estimate, high) == expected
    assert low <= TRUE_HOURS * days <= high
    assert billed_low <= TRUE_BILLED * days <= billed_high
    if expected[0]:
        assert billed_estimate == TRUE_BILLED * days


def test_every_row_says_how_many_looks_it_rests_on(home: Warehouse) -> None:
    for hour in (0, 6, 12, 36):
        look(home, MONDAY + hour * HOUR, made("a"))
    replay.replay(home, MONDAY + 40 * HOUR, {"us-east-1": Look(None)}, "hourly")
    assert told(home, "select day(cost_date), looks, hours_low, hours_estimate from running_cost order by 1") == [
        (2, 3, 0.0, 24.0),
        (3, 1, 0.0, 16.0),  # Up to the look that failed it is taken to have gone on.
    ]
    assert told(home, "select looks, looks_apart from running_spans") == [(4, 24.0)]


def test_what_is_close_together_is_a_setting(home: Warehouse) -> None:
    for hour in (0, 4, 8):
        look(home, MONDAY + hour * HOUR, made("a"))
    low = "select sum(hours_low) from running_cost"
    assert told(home, low) == [(0.0,)]
    Path("findings.yaml").write_text("proof_hours: 4\n")
    assert told(home, low) == [(8.0,)]


def test_another_network_interface_between_two_looks_proves_nothing_of_the_time_between(home: Warehouse) -> None:
    for hour, eni in ((0, "eni-1"), (1, "eni-1"), (2, "eni-2"), (3, None), (4, "eni-2")):
        network = {"NetworkAccessConfiguration": {"EniId": eni}} if eni else {}
        look(home, MONDAY + hour * HOUR, made("a", **network))
    assert told(home, "select hours_low, hours_estimate, hours_high from running_cost") == [(3.0, 4.0, 4.0)]


@pytest.mark.parametrize(
    ("platform", "billed", "usd"),
    [
        ("WINDOWS_SERVER_2022", [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]),
        ("WINDOWS_11", [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]),
        (None, [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]),
        ("AMAZON_LINUX2", [0.5, 1.75, 3.0], [0.05, 0.175, 0.3]),
        ("RHEL8", [0.5, 1.75, 3.0], [0.05, 0.175, 0.3]),
        ("ROCKY_LINUX8", [0.5, 1.75, 3.0], [0.05, 0.175, 0.3]),
    ],
)
def test_windows_bills_whole_hours_and_linux_seconds(
    platform: str | None, billed: list[float], usd: list[float], home: Warehouse
) -> None:
    states = ((9, "STOPPED"), (10.5, "RUNNING"), (11, "RUNNING"), (12, "STOPPED"))
    for hour, state in states:
        look(home, MONDAY + hour * HOUR, made("a", State=state, Platform=platform))
    hours = "select hours_low, hours_estimate, hours_high from running_cost"
    assert told(home, hours) == [(0.5, 1.75, 3.0)]
    ((*found,),) = told(home, "select billed_hours_low, billed_hours_estimate, billed_hours_high from running_cost")
    assert found == billed
    ((*paid,),) = told(home, "select usd_low, usd_estimate, usd_high from running_cost")
    assert paid == pytest.approx(usd)


def test_a_session_that_one_look_saw_is_an_hour_and_its_rest_is_billed_on_the_day_it_ends(home: Warehouse) -> None:
    look(home, MONDAY + 21 * HOUR, made("a", State="STOPPED"))
    look(home, MONDAY + 22 * HOUR, made("a"))
    for hour in (23, 24):
        look(home, MONDAY + hour * HOUR, made("a"))
    look(home, MONDAY + 25 * HOUR, made("a", State="STOPPED"))
    # Most likely from 21:30 to 0:30, three hours.
    columns = "hours_low, hours_estimate, hours_high, billed_hours_low, billed_hours_estimate, billed_hours_high"
    assert told(home, f"select {columns} from running_cost order by cost_date") == [
        (2.0, 2.5, 3.0, 2.0, 2.5, 3.0),
        (0.0, 0.5, 1.0, 0.0, 0.5, 1.0),
    ]
    look(home, MONDAY + 30 * HOUR, made("a"))
    look(home, MONDAY + 31 * HOUR, made("a", State="STOPPED"))
    assert told(home, "select sum(hours_low), sum(billed_hours_low) from running_cost") == [(2.0, 3.0)]


def test_one_created_anew_before_it_was_seen_last_claims_no_hour_twice(home: Warehouse) -> None:
    look(home, MONDAY, made("a"))
    look(home, MONDAY + 10 * HOUR, made("a", CreatedTime=CREATED - 3600))  # AWS's clock is another.
    look(home, MONDAY + 11 * HOUR, made("a", CreatedTime=CREATED - 3600))
    asked = "select hours_low, hours_estimate, hours_high from running_cost"
    assert told(home, asked) == [(1.0, 11.0, 11.0)]


def test_hours_begin_with_the_first_look_at_a_target_or_with_the_builder_if_that_is_younger(home: Warehouse) -> None:
    look(home, MONDAY)
    young = made("young", CreatedTime=(MONDAY + 4 * HOUR).timestamp())
    look(home, MONDAY + 10 * HOUR, young, made("old"), made("ageless", CreatedTime=None))
    asked = "select name, hours_low, hours_estimate, hours_high from running_cost order by name"
    assert told(home, asked) == [
        ("ageless", 0.0, 5.0, 10.0),
        ("old", 0.0, 5.0, 10.0),
        ("young", 0.0, 6.0, 6.0),
    ]


def test_a_root_volume_costs_on_every_day_that_its_builder_is_there(home: Warehouse) -> None:
    big = made("a", State="STOPPED", RootVolumeConfig={"VolumeSizeInGb": 500})
    small = made("b", State="STOPPED", RootVolumeConfig={"VolumeSizeInGb": 200})
    for day in range(3):
        look(home, NOON + day * DAY, big, small, made("c", State="STOPPED"))
    look(home, NOON + 3 * DAY, small)
    columns = "name, extra_volume_gb, hours_low, hours_estimate, hours_high, usd_low, usd_estimate, usd_high"
    usd = 0.73 / 730 * 300
    assert told(home, f"select {columns} from volume_cost order by cost_date") == [
        ("a", 300, 12.0, 12.0, 12.0, *[pytest.approx(12 * usd)] * 3),
        ("a", 300, 24.0, 24.0, 24.0, *[pytest.approx(24 * usd)] * 3),
        ("a", 300, 12.0, 24.0, 24.0, *(pytest.approx(n * usd) for n in (12, 24, 24))),
        # Between two looks it was deleted, as is likely in the middle.
        ("a", 300, 0.0, 0.0, 12.0, 0.0, 0.0, pytest.approx(12 * usd)),
    ]
    assert told(home, "select sum(usd_estimate), sum(volume_usd_estimate) from cost_by_day") == [
        (pytest.approx(60 * usd), pytest.approx(60 * usd))
    ]


def test_a_volume_counts_from_when_its_builder_was_created(home: Warehouse) -> None:
    look(home, MONDAY)
    made_at = (MONDAY + 4 * HOUR).timestamp()
    look(home, MONDAY + 10 * HOUR, made("a", CreatedTime=made_at, RootVolumeConfig={"VolumeSizeInGb": 300}))
    assert told(home, "select hours_low, hours_estimate, hours_high from volume_cost") == [(6.0, 6.0, 6.0)]
    assert told(home, "select hours_low, hours_estimate, hours_high from running_cost") == [(0.0, 6.0, 6.0)]


def test_a_day_belongs_to_who_owned_it_then(home: Warehouse) -> None:
    look(home, NOON, made("a"))  # Tags were not asked for.
    look(home, NOON + DAY, made("a"), tags={"a": {"Owner": "cad"}})
    look(home, NOON + 2 * DAY, made("a"), tags={"a": {"owner": "it"}})
    look(home, NOON + 3 * DAY, made("a"))
    look(home, NOON + 4 * DAY, made("a"), tags={"a": {}})
    assert told(home, "select day(cost_date), owner from running_cost order by 1") == [
        (23, "cad"),
        (24, "cad"),
        (25, "it"),
        (26, "it"),
        (27, None),
    ]
    assert told(home, "select owner from image_builder_owners") == []
    assert told(home, "select owner, owned_from, owned_to from image_builder_owner_history order by told_at") == [
        ("cad", None, date(2026, 11, 25)),
        ("it", date(2026, 11, 25), date(2026, 11, 27)),
        (None, date(2026, 11, 27), None),
    ]


def test_an_owner_whose_hours_are_unpriced_does_not_look_cheapest(home: Warehouse) -> None:
    both = (made("a"), made("b", InstanceType="stream.graphics.g6.xlarge"))
    for day in range(2):
        look(home, NOON + day * DAY, *both, tags={"a": {"Owner": "cad"}, "b": {"Owner": "cad"}})
    ((owner, hours, usd, unpriced),) = told(
        home,
        "select owner, sum(hours_estimate), sum(usd_estimate), sum(unpriced_hours) from cost_by_month group by owner",
    )
    assert (owner, hours, unpriced) == ("cad", 48.0, 24.0)
    assert usd == pytest.approx(2.4)


def test_a_month_is_forecast_from_its_last_seven_whole_days(home: Warehouse) -> None:
    first = datetime(2026, 10, 30, tzinfo=UTC)
    for day in range(11):  # Up to the 9th of November; the machine is started on the 5th.
        state = "RUNNING" if day >= 6 else "STOPPED"
        volume = {"VolumeSizeInGb": 300}
        look(home, first + day * DAY + 12 * HOUR, made("a", State=state, RootVolumeConfig=volume))
    months = told(
        home,
        "select cast(month as varchar), builders, hours_estimate, instance_usd_estimate, volume_usd_estimate, "
        "forecast_usd from cost_by_month order by month",
    )
    per_day = 24 * 100 * 0.73 / 730
    assert months[0] == ("2026-10-01", 1, 0.0, 0.0, pytest.approx(1.5 * per_day), pytest.approx(1.5 * per_day))
    # Of the seven days from the 2nd to the 8th, it ran in the last four; 22 days are left, the 9th among them.
    ran = 4 * 2.4
    before = ran + 8 * per_day
    assert months[1] == (
        "2026-11-01",
        1,
        108.0,
        pytest.approx(10.8),
        pytest.approx(8.5 * per_day),
        pytest.approx(before + 22 * (ran / 7 + per_day)),
    )


def test_what_is_burnt_an_hour_now(home: Warehouse) -> None:
    volume = {"RootVolumeConfig": {"VolumeSizeInGb": 1200}}
    look(
        home,
        NOON,
        made("runs"),
        made("reboots", State="REBOOTING"),
        made("rests", State="STOPPED", **volume),
        made("strange", InstanceType="stream.x"),
    )
    columns = "name, is_billed, usd_per_hour, volume_usd_per_hour, is_priced"
    assert told(home, f"select {columns} from burn_rate order by name") == [
        ("reboots", True, 0.1, 0.0, True),
        ("rests", False, 0.0, None, False),  # No day has been yet that its price could be of.
        ("runs", True, 0.1, 0.0, True),
        ("strange", True, None, 0.0, False),
    ]
    look(home, NOON + HOUR, made("rests", State="STOPPED", **volume))
    assert told(home, "select usd_per_hour, volume_usd_per_hour from burn_rate") == [(0.0, pytest.approx(1.0))]


def test_hours_outside_of_working_hours(home: Warehouse) -> None:
    friday = MONDAY + 4 * DAY
    for hour in range(0, 49, 2):
        look(home, friday + hour * HOUR, made("a"))
    asked = "select hours_estimate, hours_outside from running_cost order by cost_date limit 2"
    assert told(home, asked) == [(24.0, 14.0), (24.0, 24.0)]
    # Ten to six in New York, with summer time all year: 14 to 22 UTC; and on Friday evening until 2 on Saturday.
    Path("findings.yaml").write_text(
        'working_hours: {days: [friday], from: "10:00", to: "22:00", utc_offset: "-04:00"}\n'
    )
    assert told(home, asked) == [(24.0, 14.0), (24.0, 22.0)]
    assert told(home, "select sum(instance_usd_outside) from cost_by_day") == [(pytest.approx(3.6),)]


@pytest.mark.parametrize(
    ("prices", "instance", "volume"),
    [(f"{MEDIUM},0.1", 0.1, None), ("root-volume,0.73", None, 0.1), (f"{MEDIUM},0.1\nroot-volume,0.73", 0.1, 0.1)],
)
def test_what_has_a_price_counts_though_the_other_has_none(
    prices: str, instance: float | None, volume: float | None, home: Warehouse
) -> None:
    Path("prices.csv").write_text(f"instance_type,usd\n{prices}\n")
    for hour in range(3):
        look(home, MONDAY + hour * HOUR, made("a", Platform="RHEL8", RootVolumeConfig={"VolumeSizeInGb": 300}))
    both = 2 * ((instance or 0) + (volume or 0))
    ((*parts, low, estimate, high),) = told(
        home, "select instance_usd_estimate, volume_usd_estimate, usd_low, usd_estimate, usd_high from cost_by_day"
    )
    assert parts == [instance and pytest.approx(2 * instance), volume and pytest.approx(2 * volume)]
    assert (low, estimate, high) == pytest.approx((both, both, both))
    assert told(home, "select unpriced_hours, unpriced_volume_hours from cost_by_month") == [
        (0.0 if instance else 2.0, 0.0 if volume else 2.0)
    ]


def test_a_day_of_two_kinds_and_two_volumes_is_the_sum_of_both(home: Warehouse) -> None:
    kinds = [("RHEL8", 300)] * 3 + [("AMAZON_LINUX2", 500)] * 2
    for hour, (platform, volume) in enumerate(kinds):
        seen = made("a", Platform=platform, RootVolumeConfig={"VolumeSizeInGb": volume})
        look(home, MONDAY + hour * HOUR, seen)
    hours = "looks, hours_low, hours_estimate, hours_high, hours_outside, unpriced_hours, unpriced_volume_hours"
    assert told(home, f"select {hours} from cost_by_day") == [(5, 3.0, 4.0, 4.0, 4.0, 0.0, 0.0)]
    ends = ("low", "estimate", "high")
    instance, volumes, both = (", ".join(f"{what}usd_{end}" for end in ends) for what in ("instance_", "volume_", ""))
    ((*usd,),) = told(home, f"select {instance}, instance_usd_outside, {volumes}, {both} from cost_by_day")
    # Three hours of 100 GB above what is included, and one of 300.
    assert usd == pytest.approx([0.3, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.9, 1.0, 1.0])
    Path("prices.csv").write_text("instance_type,usd\nstream.x,1\n")
    assert told(home, f"select {hours} from cost_by_day") == [(5, 3.0, 4.0, 4.0, 4.0, 4.0, 4.0)]


def test_a_session_begins_when_its_builder_was_created(home: Warehouse) -> None:
    look(home, MONDAY)
    young = made("a", CreatedTime=(MONDAY + HOUR / 2).timestamp())
    look(home, MONDAY + HOUR, young)
    look(home, MONDAY + 2 * HOUR, young | {"State": "STOPPED"})
    # Most likely from 0:30 to 1:30, and at most until 2:00.
    columns = "hours_low, hours_estimate, hours_high, billed_hours_low, billed_hours_estimate, billed_hours_high"
    assert told(home, f"select {columns} from running_cost") == [(0.0, 1.0, 1.5, 1.0, 1.0, 2.0)]


def test_a_session_goes_on_where_only_the_volume_is_told_otherwise(home: Warehouse) -> None:
    seen = [(0.5, 200, "RUNNING"), (1, 200, "RUNNING"), (2.25, 300, "RUNNING"), (3, 300, "RUNNING")]
    for hour, volume, state in [*seen, (4, 300, "STOPPED")]:
        look(home, MONDAY + hour * HOUR, made("a", State=state, RootVolumeConfig={"VolumeSizeInGb": volume}))
    # Most likely from 0:30 to 3:30, in one session; another one from 2:15 on would be billed as two hours.
    assert told(home, "select hours_estimate, billed_hours_estimate from running_cost") == [(3.0, 3.0)]


def test_the_hour_that_a_session_of_the_night_has_begun_is_billed_on_the_day_it_ends(home: Warehouse) -> None:
    for hour, state in ((22, "STOPPED"), (23, "RUNNING"), (24, "RUNNING"), (25.25, "STOPPED")):
        look(home, MONDAY + hour * HOUR, made("a", State=state))
    # Most likely from 22:30 to 0:37:30, which is billed as three hours; at most from 22:00 to 1:15, as four.
    columns = "hours_low, hours_estimate, hours_high, billed_hours_low, billed_hours_estimate, billed_hours_high"
    assert told(home, f"select {columns} from running_cost order by cost_date") == [
        (1.0, 1.5, 2.0, 1.0, 1.5, 2.0),
        (0.0, 0.625, 1.25, 0.0, 1.5, 2.0),
    ]


def test_what_has_grown_burns_what_its_kind_and_its_volume_of_now_cost(home: Warehouse) -> None:
    Path("prices.csv").write_text(f"instance_type,usd\n{MEDIUM},0.1\nstream.standard.large,0.2\nroot-volume,0.73\n")
    for hour, (kind, size) in enumerate([(MEDIUM, 300)] * 2 + [("stream.standard.large", 1200)] * 2):
        look(home, NOON + hour * HOUR, made("a", InstanceType=kind, RootVolumeConfig={"VolumeSizeInGb": size}))
    columns = "instance_type, usd_per_hour, volume_usd_per_hour, is_priced"
    assert told(home, f"select {columns} from burn_rate") == [("stream.standard.large", 0.2, pytest.approx(1.0), True)]
