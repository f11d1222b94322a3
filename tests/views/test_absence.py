"""What is missing and what is gone, over several windows, through the whole job, from AWS over HTTP to SQL."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from pipeline import views
from pipeline.contract import TABLES
from pipeline.definitions import build_definitions
from pipeline.defs.catalog import key_of
from pipeline.defs.resources import AwsResource, ClockResource, WarehouseResource
from pipeline.defs.schedules import JOB
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.windows import Window
from tests.support import NOON, Looker, builder, estate_of, role_arn, settings_of, write_targets

# Dagster's own: sqlite connections of an instance's pool are closed by the collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

OTHER = "111122223333"
US, EU = (ACCOUNT, "us-east-1"), (ACCOUNT, "eu-west-1")


class Story:
    """A warehouse that is filled day by day, and asked."""

    def __init__(self, look: Looker, instance: dg.DagsterInstance) -> None:
        self._look, self._instance = look, instance
        self.faults, self.estate = look.sandbox.appstream.faults, estate_of(look)

    def run(self, **config: Any) -> None:
        now = self._look.sandbox.clock.now()
        definitions = build_definitions(
            settings_of(),
            aws=AwsResource(page_retries=0),
            warehouse=WarehouseResource(location=self._look.warehouse.location, grace=0.0),
            clock=ClockResource(at=now.isoformat()),
        )
        result = definitions.resolve_job_def(JOB).execute_in_process(
            instance=self._instance,
            partition_key=Window.at("daily", now).key,
            run_config={
                "ops": {"snapshot": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            # The views are asked directly; that the job makes their assets is other tests' subject.
            asset_selection=[key_of(t.name) for t in TABLES],
        )
        assert result.success

    def next_day(self) -> None:
        self._look.sandbox.clock.advance(timedelta(days=1))

    def later(self) -> None:
        self._look.sandbox.clock.advance(timedelta(hours=1))

    def gone(self, *names: str) -> None:
        for found in self.estate.values():
            found[:] = [b for b in found if b["Name"] not in names]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in views.query(self._look.warehouse, sql).to_pylist()]

    @property
    def current(self) -> list[tuple[Any, ...]]:
        """Name, and whether the last look at its target failed."""
        return self.ask("select name, is_last_look_failed from image_builders_current order by name")

    @property
    def history(self) -> list[tuple[Any, ...]]:
        return self.ask("select snapshot_date::varchar, name from image_builders order by all")


@pytest.fixture
def story(looker: Callable[..., Looker]) -> Iterator[Story]:
    look = looker(
        us_east_1=[builder("u1"), builder("u2")],
        eu_west_1=[builder("e1", "eu-west-1"), builder("e2", "eu-west-1")],
    )
    look.sandbox.clock.set(NOON - timedelta(days=3))  # Dagster has no partitions in the future.
    estate_of(look)[OTHER, "us-east-1"] = [builder("o1", account_id=OTHER)]
    write_targets(
        regions=["us-east-1", "eu-west-1"],
        accounts=[{"id": ACCOUNT}, {"id": OTHER, "role": role_arn(OTHER), "regions": ["us-east-1"]}],
    )
    with dg.DagsterInstance.ephemeral() as instance:
        yield Story(look, instance)


def test_a_region_that_fails_today_keeps_yesterdays_builders_marked(story: Story) -> None:
    story.run()
    story.next_day()
    story.faults.append(Fault("fail", region="eu-*"))
    story.gone("u1", "e1")
    story.run()
    assert story.current == [("e1", True), ("e2", True), ("o1", False), ("u2", False)]
    # When it is back, what went meanwhile is gone.
    story.next_day()
    story.faults.clear()
    story.run()
    assert story.current == [("e2", False), ("o1", False), ("u2", False)]


def test_an_account_whose_role_is_refused_today_keeps_its_builders_too(story: Story) -> None:
    story.run()
    story.next_day()
    story.faults.append(Fault("deny", service="sts", account=OTHER))
    story.run()
    assert ("o1", True) in story.current
    assert story.ask(f"select last_status, windows_seen from coverage where account_id = '{OTHER}'")[0] == ("denied", 1)


def test_a_builder_deleted_between_two_complete_looks_is_gone_and_stays_in_history(story: Story) -> None:
    story.run()
    story.next_day()
    story.gone("u1")
    story.run()
    assert [name for name, _ in story.current] == ["e1", "e2", "o1", "u2"]
    assert ("2026-11-20", "u1") in story.history
    assert ("2026-11-21", "u1") not in story.history


def test_a_builder_missing_from_a_look_narrowed_by_names_is_not_gone(story: Story) -> None:
    story.run()
    story.next_day()
    story.estate[US][0]["State"] = "STOPPED"
    story.run(names=["u1"], regions=["us-east-1"])
    assert [name for name, _ in story.current] == ["e1", "e2", "o1", "u1", "u2"]
    assert story.ask("select state from image_builders_current where name = 'u1'") == [("STOPPED",)]


def test_a_second_run_with_other_failures_keeps_the_union_of_what_was_seen(story: Story) -> None:
    story.faults.append(Fault("fail", region="eu-*"))
    story.run()
    story.later()
    story.faults[:] = [Fault("fail", region="us-*")]
    story.run()
    assert [name for name, _ in story.current] == ["e1", "e2", "o1", "u1", "u2"]
    assert story.ask(
        "select region, status, later_status from extracts where account_id = '123456789012' order by 1"
    ) == [
        ("eu-west-1", "ok", None),
        ("us-east-1", "ok", "error"),
    ]
    assert story.ask("select count(*) from snapshots") == [(1,)]


def only(*accounts: dict[str, Any], regions: tuple[str, ...] = ("us-east-1",)) -> None:
    write_targets(regions=list(regions), accounts=list(accounts))


def test_a_target_removed_from_the_configuration_leaves_current_but_not_history(story: Story) -> None:
    story.run()
    story.next_day()
    only({"id": ACCOUNT}, regions=("us-east-1", "eu-west-1"))
    story.run()
    assert [name for name, _ in story.current] == ["e1", "e2", "u1", "u2"]
    assert ("2026-11-20", "o1") in story.history
    assert [
        name for (name,) in story.ask("select name from image_builders_as_of('2026-11-20 23:00:00+00') order by 1")
    ] == [
        "e1",
        "e2",
        "o1",
        "u1",
        "u2",
    ]
    assert story.ask(f"select is_configured, windows, gaps from coverage where account_id = '{OTHER}'") == [
        (False, 1, 0)
    ]


def test_removed_within_a_window_it_leaves_at_once(story: Story) -> None:
    story.run()
    story.later()
    only({"id": ACCOUNT})
    story.run()
    assert [name for name, _ in story.current] == ["u1", "u2"]
    assert ("2026-11-20", "o1") in story.history, "it was seen that day"
    assert story.ask("select region, is_configured from extracts order by account_id, region") == [
        ("us-east-1", False),
        ("eu-west-1", False),
        ("us-east-1", True),
    ]


def test_put_back_it_is_there_again(story: Story) -> None:
    story.run()
    story.next_day()
    only({"id": ACCOUNT})
    story.run()
    story.next_day()
    only({"id": ACCOUNT}, {"id": OTHER, "role": role_arn(OTHER)})
    story.faults.append(Fault("deny", account=OTHER))
    story.run()
    assert story.current == [("o1", True), ("u1", False), ("u2", False)]


def test_a_run_with_regions_of_its_own_removes_nothing(story: Story) -> None:
    story.run()
    story.next_day()
    story.run(regions=["us-east-1"])
    assert [name for name, _ in story.current] == ["e1", "e2", "o1", "u1", "u2"]
    story.later()
    story.run(regions=["eu-west-1"])
    assert [name for name, _ in story.current] == ["e1", "e2", "o1", "u1", "u2"]
    assert story.ask("select distinct is_configured from extracts where snapshot_date = '2026-11-21'") == [(None,)]


def test_a_region_looked_at_by_hand_is_current_though_no_configuration_names_it(story: Story) -> None:
    story.estate[ACCOUNT, "us-west-2"] = [builder("w1", "us-west-2")]
    story.run()
    story.later()
    story.run(regions=["us-west-2"])
    assert ("w1", False) in story.current
    story.next_day()
    story.run()
    assert ("w1", False) not in story.current, "the configuration has spoken since"


def test_a_moment_between_two_runs_of_a_window_knows_of_the_look_before(story: Story) -> None:
    story.run()
    story.next_day()
    story.run()
    story.later()
    story.later()
    story.run(regions=["eu-west-1"])
    names = story.ask("select name from image_builders_as_of('2026-11-21 13:00:00+00') order by 1")
    assert names == [("e1",), ("e2",), ("o1",), ("u1",), ("u2",)]
