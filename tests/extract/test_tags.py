"""Tags of image builders, over real HTTP: a hundred ARNs a call, one by one where that is denied, and refusals."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline import views
from pipeline.errors import ConfigurationError
from pipeline.sandbox.faults import Fault
from tests.support import NOON, Looker, StartSandbox, builder, estate_of, plan_of, target, write_targets


@pytest.fixture
def look(looker: Callable[..., Looker]) -> Looker:
    """Three builders, of which two have tags, and a sandbox that is asked for them."""
    look = looker(builder("a"), builder("b"), builder("c"))
    look.tags = True
    look.sandbox.appstream.estate.tags_by_arn = {  # type: ignore[attr-defined]
        target().arn("a"): {"Owner": "cad", "CostCenter": "4000"},
        target().arn("c"): {"team": "it"},
    }
    return look


def told(look: Looker, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in views.query(look.warehouse, sql).to_pylist()]


TAGS = "select split_part(arn, '/', 2), position, tag_key, tag_value from image_builder_tags order by all"
ALL = [("a", 0, "CostCenter", "4000"), ("a", 1, "Owner", "cad"), ("c", 0, "team", "it")]

OWNERS = "select split_part(arn, '/', 2), owner from image_builder_owners order by all"
DAY = timedelta(days=1)


def test_tags_are_rows_ordered_by_key_and_name_owners(look: Looker) -> None:
    look.publish()
    assert told(look, TAGS) == ALL
    assert told(look, "select tags_status, tags_error_code from extracts") == [("ok", None)]
    owners = "select split_part(arn, '/', 2), owner, tag_key from image_builder_owners order by all"
    assert told(look, owners) == [("a", "cad", "Owner"), ("c", "it", "team")]
    assert told(look, "select distinct name, owner from findings order by all") == [
        ("a", "cad"),
        ("b", None),
        ("c", "it"),
    ]


def test_a_hundred_are_asked_for_in_one_call(look: Looker) -> None:
    estate_of(look)[("123456789012", "us-east-1")] = [builder(f"b{number:03}") for number in range(250)]
    row = look.look(page_size=125)
    assert (row["status"], row["tags_status"], row["builders"]) == ("ok", "ok", 250)
    assert look.sandbox.actions.count("tag:GetResources") == 4


def test_without_being_asked_for_they_cost_no_call(look: Looker) -> None:
    look.tags = False
    look.publish()
    assert told(look, TAGS) == []
    assert told(look, "select tags_status from extracts") == [(None,)]
    assert set(look.sandbox.actions) == {"appstream:DescribeImageBuilders"}


def test_where_the_tagging_api_is_denied_appstream_is_asked_one_by_one(look: Looker) -> None:
    look.sandbox.appstream.faults.append(Fault("deny", service="tagging"))
    look.publish()
    assert told(look, TAGS) == ALL
    assert told(look, "select status, tags_status from extracts") == [("ok", "ok")]
    assert look.sandbox.actions.count("appstream:ListTagsForResource") == 3


def test_a_denial_costs_the_tags_and_nothing_else(look: Looker) -> None:
    look.sandbox.services.refused = {"GetResources", "ListTagsForResource"}
    look.publish()
    assert told(look, "select name from image_builders order by name") == [("a",), ("b",), ("c",)]
    assert told(look, TAGS) == []
    sql = "select status, complete, error_code, tags_status, tags_error_code, tags_error_message from extracts"
    ((status, complete, code, tags_status, tags_code, message),) = told(look, sql)
    assert (status, complete, code) == ("ok", True, None)
    assert (tags_status, tags_code) == ("denied", "AccessDeniedException")
    assert "ListTagsForResource" in message


@pytest.mark.parametrize(
    ("kind", "status"), [("throttle", "throttled"), ("fail", "error"), ("reset", "network"), ("expire", "credentials")]
)
def test_any_other_failure_costs_no_more(kind: str, status: str, look: Looker) -> None:
    look.sandbox.appstream.faults.append(Fault(kind, service="tagging"))
    row = look.look()
    assert (row["status"], row["complete"], row["builders"], row["tags_status"]) == ("ok", True, 3, status)


def test_of_a_target_that_was_not_seen_nothing_is_said_of_tags(look: Looker) -> None:
    look.sandbox.appstream.faults.append(Fault("deny"))
    row = look.look()
    assert (row["status"], row["tags_status"]) == ("denied", None)


def test_what_is_carried_forward_keeps_its_tags(look: Looker) -> None:
    look.publish()
    look.sandbox.appstream.faults.append(Fault("deny"))
    look.publish()
    assert told(look, TAGS) == ALL
    assert told(look, "select later_status, tags_status from extracts") == [("denied", "ok")]


@pytest.mark.parametrize("again", ["off", "denied"])
def test_seen_again_without_tags_a_builder_keeps_those_it_had(again: str, look: Looker) -> None:
    look.publish()
    look.tags = again != "off"
    look.sandbox.services.refused = {"GetResources", "ListTagsForResource"}
    look.publish(names=("a",))
    assert told(look, TAGS) == ALL
    assert told(look, "select tags_status from extracts") == [(None if again == "off" else "denied",)]
    assert told(look, "from image_builder_changes where field = 'tags'") == []
    assert told(look, OWNERS) == [("a", "cad"), ("c", "it")], "what the others' tags told still holds"


def test_who_has_lost_the_tag_has_no_owner(look: Looker) -> None:
    look.publish()
    look.sandbox.clock.set(NOON + timedelta(days=1))
    look.sandbox.appstream.estate.tags_by_arn = {target().arn("a"): {"Stage": "test"}}  # type: ignore[attr-defined]
    estate_of(look)["123456789012", "us-east-1"] = [builder("a"), builder("b")]
    look.publish()
    assert told(look, OWNERS) == [("c", "it")], "one that is gone keeps it"


def test_who_had_lost_the_tag_when_it_was_seen_last_has_no_owner(look: Looker) -> None:
    look.publish()
    look.sandbox.clock.set(NOON + DAY)
    look.sandbox.appstream.estate.tags_by_arn = {target().arn("a"): {"Owner": "cad"}}  # type: ignore[attr-defined]
    look.publish()
    look.sandbox.clock.set(NOON + 2 * DAY)
    look.publish(names=("a",))
    assert told(look, OWNERS) == [("a", "cad")]


def test_tags_that_were_told_and_then_not_asked_for_are_neither_lost_nor_revived(look: Looker) -> None:
    look.publish()
    look.sandbox.clock.set(NOON + DAY)
    look.sandbox.appstream.estate.tags_by_arn = {target().arn("b"): {"Owner": "ann"}}  # type: ignore[attr-defined]
    look.publish()
    look.tags = False
    look.sandbox.clock.set(NOON + DAY + timedelta(hours=1))
    look.publish()  # A whole look of the same window, without tags.
    assert told(look, "select tags_status from extracts order by window_start") == [("ok",), (None,)]
    assert told(look, OWNERS) == [("b", "ann")]
    anew = builder("b", CreatedTime=NOON.timestamp())
    estate_of(look)["123456789012", "us-east-1"] = [builder("a"), anew]
    look.publish()
    newest = "select tag_value from image_builder_tags where snapshot_id = (select max(snapshot_id) from extracts)"
    assert told(look, newest) == [], "it is another b"


class AfterOneCall(set[str]):
    """What is refused: tags, once a hundred were told."""

    calls = 0

    def __contains__(self, operation: object) -> bool:
        self.calls += operation == "GetResources"
        return operation == "ListTagsForResource" or (operation == "GetResources" and self.calls > 1)


def test_tags_that_are_refused_in_the_middle_cost_no_owner(look: Looker) -> None:
    builders = [builder(f"b{number:03}") for number in range(250)]
    estate_of(look)["123456789012", "us-east-1"] = builders
    owned = {target().arn(b["Name"]): {"Owner": "ann"} for b in builders}
    look.sandbox.appstream.estate.tags_by_arn = owned  # type: ignore[attr-defined]
    look.publish()
    look.sandbox.clock.set(NOON + DAY)
    owned[target().arn("b000")] = {"Owner": "ben"}
    look.sandbox.services.refused = AfterOneCall()
    look.publish()
    assert told(look, "select tags_status from extracts order by window_start") == [("ok",), ("denied",)]
    count = "select owner, count(*) from image_builder_owners group by owner order by owner"
    assert told(look, count) == [("ann", 249), ("ben", 1)]


def test_the_owner_is_that_of_the_newest_look_whatever_its_window(look: Looker) -> None:
    look.cadence = "hourly"
    look.publish()
    look.cadence = "daily"
    look.sandbox.clock.set(NOON + timedelta(hours=3))
    look.sandbox.appstream.estate.tags_by_arn[target().arn("a")] = {"Owner": "gis"}  # type: ignore[attr-defined]
    look.publish()
    assert told(look, OWNERS) == [("a", "gis"), ("c", "it")]


@pytest.mark.parametrize(
    ("of_file", "setting", "wanted"),
    [(None, None, False), (True, None, True), (False, "on", True), (True, "off", False)],
)
def test_they_are_switched_on_by_the_file_or_the_environment(
    of_file: bool | None,
    setting: str | None,
    wanted: bool,
    start_sandbox: StartSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_sandbox()
    if of_file is not None:
        write_targets(tags=of_file)
    if setting:
        monkeypatch.setenv("IMAGE_BUILDERS_TAGS", setting)
    assert plan_of().tags is wanted


def test_another_word_than_on_or_off_is_refused(start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    start_sandbox()
    monkeypatch.setenv("IMAGE_BUILDERS_TAGS", "yes")
    with pytest.raises(ConfigurationError, match="IMAGE_BUILDERS_TAGS is 'yes'; it is one of: on, off"):
        plan_of()
