"""History, changes and spans: known histories, and any history that a machine can think of, against plain loops."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import views
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay
from tests.support.effort import often
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CREATED = (NOON - 10 * DAY).timestamp()


def made(name: str, **members: Any) -> dict[str, Any]:
    return builder(name, CreatedTime=CREATED) | members


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def told(home: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in views.query(home, sql).to_pylist()]


def days(home: Warehouse, *looks: Look | None) -> list[tuple[datetime, Look]]:
    """Publishes a look a day; None is a day without any."""
    done = [(NOON + number * DAY, look) for number, look in enumerate(looks) if look]
    for at, look in done:
        replay.replay(home, at, {"us-east-1": look})
    return done


FAILED = Look(None)


def test_a_version_for_each_change_and_none_for_what_was_not_observed(home: Warehouse) -> None:
    days(
        home,
        Look([made("a")]),
        Look([made("a", State="STOPPED")]),
        FAILED,
        None,
        Look([made("a", State="STOPPED")]),
        Look([]),
        FAILED,
        Look([made("a", State="STOPPED")]),
    )
    columns = "version, state, valid_from, valid_to, is_current, changed_after, last_seen_at, began, ended"
    assert told(home, f"select {columns} from image_builder_history order by version") == [
        (1, "RUNNING", NOON, NOON + DAY, False, None, NOON, "first_seen", "changed"),
        (2, "STOPPED", NOON + DAY, NOON + 5 * DAY, False, NOON, NOON + 4 * DAY, "changed", "unseen"),
        (3, "STOPPED", NOON + 7 * DAY, None, True, NOON + 5 * DAY, NOON + 7 * DAY, "seen_again", None),
    ]


def test_a_version_that_goes_on_was_seen_last_by_the_newest_look_that_saw_it(home: Warehouse) -> None:
    days(home, *[Look([made("a"), made("b")])] * 3, Look([made("b")]), FAILED)
    columns = "name, version, valid_from, valid_to, last_seen_at, ended"
    assert told(home, f"select {columns} from image_builder_history order by name") == [
        ("a", 1, NOON, NOON + 3 * DAY, NOON + 2 * DAY, "deleted"),
        ("b", 1, NOON, None, NOON + 3 * DAY, None),
    ]


def test_a_look_that_saw_some_proves_nothing_of_the_others(home: Warehouse) -> None:
    days(home, Look([made("a"), made("b")]), Look([made("b")], complete=False), Look([made("a"), made("b")]))
    assert told(home, "select name, version, valid_to from image_builder_history order by name") == [
        ("a", 1, None),
        ("b", 1, None),
    ]
    assert told(home, "select name from image_builder_changes where change <> 'first_seen'") == []


def test_one_that_no_earlier_look_could_have_seen_was_not_created_then(home: Warehouse) -> None:
    days(home, Look([made("a")]), Look([made("a"), made("b")]))
    assert told(home, "select name, change, changed_at, changed_after from image_builder_changes order by name") == [
        ("a", "first_seen", NOON, None),
        ("b", "created", NOON + DAY, NOON),
    ]


def test_another_created_time_is_another_builder_of_that_name(home: Warehouse) -> None:
    anew = (NOON + DAY / 2).timestamp()
    days(home, Look([made("a")]), Look([made("a", CreatedTime=anew, InstanceType="stream.compute.large")]))
    assert told(home, "select began, ended from image_builder_history order by version") == [
        ("first_seen", "recreated"),
        ("recreated", None),
    ]
    sql = "select change, changed_at, field from image_builder_changes where change <> 'first_seen' order by change"
    assert told(home, sql) == [("recreated", NOON + DAY, None)]
    spans = "select started_after, ended_before, instance_type from running_spans order by first_seen_at"
    assert told(home, spans) == [
        (NOON - 10 * DAY, NOON + DAY / 2, None),
        (NOON + DAY / 2, None, "stream.compute.large"),
    ]


def test_every_attribute_that_changes_is_a_change_from_something_to_something(home: Warehouse) -> None:
    before = made("a", State="RUNNING", DisableIMDSV1=False, RootVolumeConfig={"VolumeSizeInGb": 200})
    after = made("a", State="STOPPED", DisableIMDSV1=True, IamRoleArn="arn:r", RootVolumeConfig={"VolumeSizeInGb": 300})
    days(home, Look([before]), FAILED, Look([after]))
    sql = "select changed_at, changed_after, change, field, from_value, to_value from image_builder_changes"
    moments = (NOON + 2 * DAY, NOON, "changed")
    assert told(home, f"{sql} where change = 'changed' order by field") == [
        (*moments, "iam_role_arn", None, "arn:r"),
        (*moments, "is_imdsv1_disabled", "false", "true"),
        (*moments, "root_volume_config_volume_size_in_gb", "200", "300"),
        (*moments, "state", "RUNNING", "STOPPED"),
    ]


def test_lists_are_compared_as_sets(home: Warehouse) -> None:
    def of(subnets: list[str], **members: Any) -> Look:
        return Look([made("a", VpcConfig={"SubnetIds": subnets}, **members)])

    days(
        home,
        of(["s1", "s2"]),
        of(["s2", "s1"]),  # The same set.
        FAILED,
        of(["s2", "s1"]),  # Nor is what was not observed a change.
        of(["s2", "s3", "s3"]),
        of([]),
        of(["s3"], AccessEndpoints=[{"EndpointType": "STREAMING", "VpceId": "vpce-1"}]),
    )
    sql = "select changed_at, changed_after, field, from_value, to_value from image_builder_changes"
    assert told(home, f"{sql} where change = 'changed' order by changed_at, field") == [
        (NOON + 4 * DAY, NOON + 3 * DAY, "subnet_ids", "s1, s2", "s2, s3"),
        (NOON + 5 * DAY, NOON + 4 * DAY, "subnet_ids", "s2, s3", None),
        (NOON + 6 * DAY, NOON + 5 * DAY, "access_endpoints", None, "STREAMING=vpce-1"),
        (NOON + 6 * DAY, NOON + 5 * DAY, "subnet_ids", None, "s3"),
    ]


def test_a_null_that_aws_lists_is_no_element(home: Warehouse) -> None:
    lists: list[list[str | None]] = [["s1", None], ["s1"], [None, "s2", "s1"], [None, None]]
    days(home, *(Look([made("a", VpcConfig={"SubnetIds": subnets})]) for subnets in lists))
    sql = (
        "select changed_at, field, from_value, to_value from image_builder_changes where change = 'changed' order by 1"
    )
    assert told(home, sql) == [
        (NOON + 2 * DAY, "subnet_ids", "s1", "s1, s2"),
        (NOON + 3 * DAY, "subnet_ids", "s1, s2", None),
    ]


ANEW = CREATED + 3600


def test_lists_of_a_builder_that_went_and_another_of_its_name_are_not_compared(home: Warehouse) -> None:
    days(
        home,
        Look([made("a", VpcConfig={"SubnetIds": ["s1"]})]),
        Look([]),
        Look([made("a", CreatedTime=ANEW, VpcConfig={"SubnetIds": ["s2"]})]),
    )
    assert told(home, "select change from image_builder_changes order by changed_at") == [
        ("first_seen",),
        ("deleted",),
        ("created",),
    ]


def test_tags_are_compared_with_those_that_were_told_last(home: Warehouse) -> None:
    days(
        home,
        Look([made("a")]),
        Look([made("a")], tags={"a": {"Owner": "cad"}}),
        Look([made("a")]),
        FAILED,
        Look([made("a")], tags={"a": {"Owner": "it"}}),
        Look([made("a")], tags={"a": {"Owner": "gis", "Stage": "test"}}),
        Look([made("a")]),
        Look([made("a")], tags={"a": {"Stage": "test", "Owner": "gis"}}),
        Look([made("a")], tags={}),
    )
    sql = "select changed_at, changed_after, field, from_value, to_value from image_builder_changes"
    assert told(home, f"{sql} where change = 'changed' order by changed_at") == [
        (NOON + 4 * DAY, NOON + DAY, "tags", "Owner=cad", "Owner=it"),
        (NOON + 5 * DAY, NOON + 4 * DAY, "tags", "Owner=it", "Owner=gis, Stage=test"),
        (NOON + 8 * DAY, NOON + 7 * DAY, "tags", "Owner=gis, Stage=test", None),
    ]


def test_sets_that_read_alike_are_two(home: Warehouse) -> None:
    one, two = {"a": {"k": "1, l=2"}}, {"a": {"k": "1", "l": "2"}}
    days(home, Look([made("a")], tags=one), Look([made("a")], tags=two))
    sql = "select field, from_value, to_value from image_builder_changes where change = 'changed'"
    assert told(home, sql) == [("tags", "k=1, l=2", "k=1, l=2")]


@pytest.mark.parametrize("between", [[Look([])], [Look([]), Look([made("a", CreatedTime=ANEW)])]])
def test_tags_of_a_builder_that_went_and_came_are_not_compared(between: list[Look], home: Warehouse) -> None:
    before = Look([made("a")], tags={"a": {"Owner": "cad"}})
    after = Look([made("a", CreatedTime=ANEW)], tags={"a": {"Owner": "it"}})
    days(home, before, *between, after)
    assert told(home, "select change from image_builder_changes order by changed_at") == [
        ("first_seen",),
        ("deleted",),
        ("created",),
    ]


def test_a_stretch_has_the_bounds_of_the_looks_around_it(home: Warehouse) -> None:
    days(
        home,
        Look([made("a", State="STOPPED")]),
        Look([made("a")]),
        FAILED,
        Look([made("a", State="REBOOTING")]),  # Billed, too.
        Look([made("a", State="STOPPED")]),
        Look([made("a")]),
        FAILED,
    )
    columns = "first_seen_at, last_seen_at, started_after, ended_before, is_open, hours_low, hours_high"
    assert told(home, f"select {columns} from running_spans order by first_seen_at") == [
        (NOON + DAY, NOON + 3 * DAY, NOON, NOON + 4 * DAY, False, 0.0, 96.0),
        # Nobody has looked since; it may run to this day, as far as the warehouse knows.
        (NOON + 5 * DAY, NOON + 5 * DAY, NOON + 4 * DAY, None, True, 0.0, 48.0),
    ]


def test_one_that_was_running_when_it_was_seen_first_may_run_since_it_was_created(home: Warehouse) -> None:
    days(home, Look([made("a"), builder("b")]), Look([]))
    columns = "name, started_after, ended_before, hours_low, hours_high"
    assert told(home, f"select {columns} from running_spans order by name") == [
        ("a", NOON - 10 * DAY, NOON + DAY, 0.0, 264.0),
        ("b", None, NOON + DAY, 0.0, None),
    ]


@pytest.mark.parametrize(
    ("member", "value"),
    [("InstanceType", "stream.compute.large"), ("Platform", "WINDOWS_11"), ("RootVolumeConfig", {"VolumeSizeInGb": 9})],
)
def test_another_price_is_another_stretch(member: str, value: Any, home: Warehouse) -> None:
    days(home, Look([made("a")]), Look([made("a") | {member: value}]))
    assert told(home, "select hours_low, hours_high from running_spans order by first_seen_at") == [
        (0.0, 264.0),
        (0.0, 24.0),
    ]


def test_one_of_which_aws_tells_no_state_is_in_a_condition_of_its_own(home: Warehouse) -> None:
    silent = Look([made("a", State=None)])
    days(home, silent, silent, Look([made("a")]), silent)
    spans = (
        "select condition, first_seen_at, last_seen_at, ended_before from image_builder_spans order by first_seen_at"
    )
    assert told(home, spans) == [
        ("UNKNOWN", NOON, NOON + DAY, NOON + 2 * DAY),
        ("BILLED", NOON + 2 * DAY, NOON + 2 * DAY, NOON + 3 * DAY),
        ("UNKNOWN", NOON + 3 * DAY, NOON + 3 * DAY, None),
    ]
    assert told(home, "select began, ended from image_builder_pieces order by first_seen_at") == [
        ("first_seen", "apart"),
        ("apart", "changed"),
        ("changed", "changed"),
        ("changed", None),
    ]


def test_one_of_which_aws_tells_no_creation_is_the_same_until_a_look_does_not_see_it(home: Warehouse) -> None:
    one, two, three = (Look([builder("a", VpcConfig={"SubnetIds": [subnet]})]) for subnet in ("s1", "s2", "s3"))
    days(home, one, two, Look([]), three)
    sql = "select changed_at, change, field, from_value, to_value from image_builder_changes order by changed_at"
    assert told(home, sql) == [
        (NOON, "first_seen", None, None, None),
        (NOON + DAY, "changed", "subnet_ids", "s1", "s2"),
        (NOON + 2 * DAY, "deleted", None, None, None),
        (NOON + 3 * DAY, "created", None, None, None),
    ]
    assert told(home, "select first_seen_at, last_seen_at from running_spans order by first_seen_at") == [
        (NOON, NOON + DAY),
        (NOON + 3 * DAY, NOON + 3 * DAY),
    ]


NAMES = ("a", "b")
one = st.tuples(
    st.sampled_from(["RUNNING", "STOPPED", "FAILED"]),
    st.sampled_from([None, None, 0.25, 20]),
    st.sampled_from([(), ("s1",), ("s1", "s2")]),
)
listing = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, one))
look = st.one_of(st.none(), st.tuples(listing, st.sampled_from([True, True, False])))


@settings(max_examples=min(often(20, 500), settings().max_examples * often(1, 5)))
@given(looks=st.lists(st.tuples(look, st.sampled_from([1, 3, 4, 24])), min_size=1, max_size=7))
def test_any_history_is_what_a_walk_along_its_looks_comes_to(
    looks: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Warehouse(str(tmp_path_factory.mktemp("any")), grace=0.0)
    born = dict.fromkeys(NAMES, CREATED)
    done = []
    at = NOON
    for drawn, apart in looks:
        at += apart * HOUR
        found = Look(None)
        if drawn:
            listed, complete = drawn
            for name, (_, anew, _) in listed.items():
                born[name] = (at - anew * DAY).timestamp() if anew else born[name]
            builders = [
                made(name, State=state, CreatedTime=born[name], VpcConfig={"SubnetIds": list(subnets)})
                for name, (state, _, subnets) in listed.items()
            ]
            found = Look(builders, complete)
        replay.replay(home, at, {"us-east-1": found}, "hourly")
        done.append((at, found))
    asked = {
        "image_builder_history": "version, state, valid_from, valid_to, last_seen_at, began, ended",
        "running_spans": "first_seen_at, last_seen_at, looks, hours_low, hours_high",
        "running_cost": "cost_date, hours_low, hours_estimate, hours_high",
        "image_builder_changes": "changed_at, changed_after, change, field, from_value, to_value",
    }
    with views.connect(home, names=asked) as connection:
        rows = {
            view: connection.sql(f"select name, {columns} from {view}").fetchall() for view, columns in asked.items()
        }
    for name in NAMES:
        told_of = {view: [row[1:] for row in found if row[0] == name] for view, found in rows.items()}
        assert sorted(told_of["image_builder_history"]) == replay.history(name, done)
        assert sorted(told_of["running_spans"]) == replay.spans(name, done, done[-1][0])
        ran = {day: list(numbers) for day, *numbers in told_of["running_cost"] if numbers[2]}
        assert ran == replay.hours(name, done, done[-1][0])
        assert sorted(told_of["image_builder_changes"], key=repr) == sorted(replay.changes(name, done), key=repr)


@pytest.mark.parametrize("between", [Look([made("b")], complete=False), Look([], complete=False)])
def test_a_list_that_a_look_did_not_reach_has_not_changed(between: Look, home: Warehouse) -> None:
    both = Look([made("a", VpcConfig={"SubnetIds": ["s-1", "s-2"], "SecurityGroupIds": ["sg-1"]}), made("b")])
    days(home, both, between, both)
    assert told(home, "select * from image_builder_changes where change <> 'first_seen'") == []


@pytest.mark.parametrize("shift", [-20 * DAY, 5 * DAY])
def test_another_created_time_earlier_or_later_is_another_builder(shift: timedelta, home: Warehouse) -> None:
    days(home, Look([made("a")]), Look([made("a", CreatedTime=CREATED + shift.total_seconds())]))
    assert told(home, "select began, ended from image_builder_history order by version") == [
        ("first_seen", "recreated"),
        ("recreated", None),
    ]
    assert told(home, "select change, changed_at from image_builder_changes order by 2") == [
        ("first_seen", NOON),
        ("recreated", NOON + DAY),
    ]
    assert told(home, "from image_builder_spans where hours_low > hours_high or hours_high < 0") == []


def test_one_that_a_look_did_not_see_and_the_next_did_was_left_out_by_aws(home: Warehouse) -> None:
    def of(subnet: str, state: str) -> Look:
        return Look([made("a", State=state, VpcConfig={"SubnetIds": [subnet]})])

    days(home, of("s1", "RUNNING"), Look([]), of("s1", "RUNNING"), Look([]), of("s2", "STOPPED"), Look([]))
    sql = "select changed_at, changed_after, change, field, to_value from image_builder_changes order by 1, 3, 4"
    assert told(home, sql) == [
        (NOON, None, "first_seen", None, None),
        (NOON + DAY, NOON, "unseen", None, None),
        (NOON + 2 * DAY, NOON + DAY, "seen_again", None, None),
        (NOON + 3 * DAY, NOON + 2 * DAY, "unseen", None, None),
        (NOON + 4 * DAY, NOON + 2 * DAY, "changed", "state", "STOPPED"),
        (NOON + 4 * DAY, NOON + 2 * DAY, "changed", "subnet_ids", "s2"),
        (NOON + 4 * DAY, NOON + 3 * DAY, "seen_again", None, None),
        (NOON + 5 * DAY, NOON + 4 * DAY, "deleted", None, None),
    ]
    assert told(home, "select first_seen_at, last_seen_at, ended_before from running_spans") == [
        (NOON, NOON + 2 * DAY, NOON + 4 * DAY)
    ]


def test_moments_that_aws_tells_late_turn_no_bound_around(home: Warehouse) -> None:
    late = (NOON + 3 * DAY).timestamp()  # After both sightings: AWS's clock is another.
    days(home, Look([made("a", CreatedTime=late)]), Look([made("a", CreatedTime=late + 1)]), Look([]))
    assert told(home, "select hours_low, hours_high from image_builder_spans order by first_seen_at") == [
        (0.0, 24.0),
        (0.0, 24.0),
    ]


def test_a_look_by_name_into_a_daily_window_comes_after_the_hourly_looks_before_it(home: Warehouse) -> None:
    """A complete daily look at 3, complete hourly looks at 5 and 6, and at 12 a look by name into the daily window."""
    night = NOON - 12 * HOUR
    of = {hour: made("a", Description=str(hour), VpcConfig={"SubnetIds": ["s1", "s2"]}) for hour in (3, 5, 6, 12)}
    for hour, cadence, complete in ((3, "daily", True), (5, "hourly", True), (6, "hourly", True), (12, "daily", False)):
        replay.replay(home, night + hour * HOUR, {"us-east-1": Look([of[hour]], complete)}, cadence)
    # The row of 3 o'clock was refreshed at 12: that the builder was seen then, no row tells any more.
    history = "select description, valid_from, valid_to, began from image_builder_history order by version"
    assert told(home, history) == [
        ("5", night + 5 * HOUR, night + 6 * HOUR, "created"),
        ("6", night + 6 * HOUR, NOON, "changed"),
        ("12", NOON, None, "changed"),
    ]
    assert told(home, "select distinct change, field from image_builder_changes where change <> 'created'") == [
        ("changed", "description")
    ]
    assert told(home, "select description, observed_at, last_look_at from image_builders_current") == [
        ("12", NOON, NOON)
    ]
    assert told(home, f"select description from image_builders_as_of(timestamptz '{NOON}')") == [("12",)]
    replay.replay(home, NOON + HOUR, {"us-east-1": Look([])}, "hourly")
    assert told(
        home, "select change, changed_at, changed_after from image_builder_changes where change = 'deleted'"
    ) == [("deleted", NOON + HOUR, NOON)]
    assert told(home, "select name from image_builders_current") == []


def test_a_list_that_a_look_by_name_found_changed_is_compared_in_the_order_of_moments(home: Warehouse) -> None:
    night = NOON - 12 * HOUR
    looks = ((3, "daily", True, "s1"), (5, "hourly", True, "s1"), (6, "hourly", True, "s1"), (12, "daily", False, "s2"))
    for hour, cadence, complete, subnet in (*looks, (13, "hourly", True, "s2")):
        seen = Look([made("a", VpcConfig={"SubnetIds": [subnet]})], complete)
        replay.replay(home, night + hour * HOUR, {"us-east-1": seen}, cadence)
    sql = "select changed_at, changed_after, from_value, to_value from image_builder_changes where change = 'changed'"
    assert told(home, sql) == [(NOON, night + 6 * HOUR, "s1", "s2")]


def test_one_that_a_look_by_name_finds_after_a_complete_look_of_the_window_was_created(home: Warehouse) -> None:
    replay.replay(home, NOON, {"us-east-1": Look([made("b")])})
    new = made("a", CreatedTime=(NOON + HOUR).timestamp())
    replay.replay(home, NOON + 3 * HOUR, {"us-east-1": Look([new], complete=False)})
    assert told(home, "select began, changed_after from image_builder_history where name = 'a'") == [("created", NOON)]
    assert told(home, "select change, changed_after from image_builder_changes where name = 'a'") == [("created", NOON)]


def test_daily_and_hourly_looks_are_of_one_history(home: Warehouse) -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    replay.replay(home, at, {"us-east-1": Look([made("a")])})
    for hour in (0, 1, 2):
        state = "RUNNING" if hour < 2 else "STOPPED"
        replay.replay(home, NOON + hour * DAY / 24, {"us-east-1": Look([made("a", State=state)])}, "hourly")
    (span,) = told(home, "select first_seen_at, last_seen_at, ended_before from running_spans")
    assert span == (at, NOON + DAY / 24, NOON + 2 * DAY / 24)


def test_a_daily_look_among_hourly_ones_is_in_its_place(home: Warehouse) -> None:
    for hour in (9, 10, 11, 12, 13):
        replay.replay(home, NOON + (hour - 12) * HOUR, {"us-east-1": Look([made("a")])}, "hourly")
        if hour == 11:
            replay.replay(home, NOON - HOUR / 2, {"us-east-1": Look([made("a", VpcConfig={"SubnetIds": ["s"]})])})
    changes = "select change, changed_at, field from image_builder_changes where change <> 'first_seen' order by 2"
    assert told(home, changes) == [
        ("changed", NOON - HOUR / 2, "subnet_ids"),
        ("changed", NOON, "subnet_ids"),
    ]
    assert told(home, "select valid_from, valid_to from image_builder_history") == [(NOON - 3 * HOUR, None)]
    assert told(home, "select hours_low, hours_high from running_spans") == [(4.0, 241.0)]


def test_a_target_that_is_no_longer_looked_at_runs_up_no_hours(home: Warehouse) -> None:
    replay.replay(home, NOON, {"us-east-1": Look([made("a")]), "eu-west-1": Look([builder("z", "eu-west-1")])})
    for number in range(1, 6):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look([made("a")])})
    assert told(home, "select is_open, hours_low, hours_high from running_spans where name = 'z'") == [
        (True, 0.0, None)
    ]
    assert told(home, "select hours_high, billed_hours_low from running_cost where name = 'z'") == [(0.0, 1.0)]
    assert told(home, "select count(*) from running_cost where name = 'a'") == [(6,)]
