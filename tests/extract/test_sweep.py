"""Targets on their own: what one does never touches another, and each look has its row."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from pipeline import contract
from pipeline.aws import Access, Role, sessions
from pipeline.contract import IMAGE_BUILDERS
from pipeline.extract import RetryPolicy, Selection, spool
from pipeline.extract.look import Row
from pipeline.extract.sweep import Progress, Sweep
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.targets import Target
from tests.support import NOON, Looker, builder, estate_of, role_arn, target

OFFERED = boto3.Session().get_available_regions("appstream")
A, B = [builder("a")], [builder("b1", "eu-west-1"), builder("b2", "eu-west-1")]


def test_a_look_tells_how_it_went(looker: Callable[..., Looker]) -> None:
    look = looker(*(builder(f"b{i}") for i in range(5)))
    row = look.look(page_size=2)
    ids = (row.pop("first_request_id"), row.pop("last_request_id"))
    assert None not in ids
    assert ids[0] != ids[1]
    assert row.pop("botocore_version")
    assert row == {
        "account_id": "123456789012",
        "region": "us-east-1",
        "account_name": None,
        "status": "ok",
        "complete": True,
        "error_code": None,
        "error_message": None,
        "started_at": NOON,
        "observed_at": NOON,
        "pages": 3,
        "builders": 5,
        "duplicates": 0,
        "retries": 0,
        "resume_token": None,
        "tags_status": None,
        "tags_error_code": None,
        "tags_error_message": None,
        "contract_version": contract.VERSION,
        "run_id": "run-1",
        "extra": None,
    }


@pytest.mark.parametrize(
    ("kind", "status", "code", "tried_again"),
    [
        ("deny", "denied", "AccessDeniedException", 0),
        ("throttle", "throttled", "ThrottlingException", 3),
        ("expire", "credentials", "ExpiredTokenException", 0),
        ("reset", "network", "ConnectionClosedError", 3),
        ("html", "malformed", "MalformedReply", 3),
        ("fail", "error", "InternalFailure", 3),
        ("unavailable", "error", "503", 3),
    ],
)
def test_a_target_that_fails_is_a_row_and_never_touches_another(
    kind: str, status: str, code: str, tried_again: int, looker: Callable[..., Looker]
) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.faults.append(Fault(kind, region="eu-*"))
    published = look.publish("eu-west-1", "us-east-1")
    failed, seen = published.rows
    assert (failed["region"], failed["status"], failed["error_code"]) == ("eu-west-1", status, code)
    assert (failed["complete"], failed["builders"], failed["retries"]) == (False, 0, tried_again)
    assert failed["error_message"]
    assert (seen["region"], seen["status"], seen["complete"], seen["builders"]) == ("us-east-1", "ok", True, 1)
    assert look.warehouse.read(IMAGE_BUILDERS, published.snapshot_id)["name"].to_pylist() == ["a"]


def test_a_target_that_fails_on_a_later_page_leaves_no_rows(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.faults.append(Fault("fail", page=2))
    published = look.publish("eu-west-1", "us-east-1", page_size=1)
    assert [(r["status"], r["pages"], r["builders"]) for r in published.rows] == [("error", 1, 0), ("ok", 1, 1)]
    assert published.counts["image_builders"] == 1


@pytest.mark.parametrize(
    ("selection", "complete", "resumes"),
    [
        ({}, True, False),
        ({"page_size": 1}, True, False),
        ({"max_items": 2}, True, False),
        ({"max_items": 1}, False, True),
        ({"names": ("b1", "b2")}, False, False),
    ],
)
def test_only_a_look_from_the_first_page_to_the_last_is_complete(
    selection: dict[str, Any], complete: bool, resumes: bool, looker: Callable[..., Looker]
) -> None:
    row = looker(eu_west_1=B).look("eu-west-1", **selection)
    assert (row["status"], row["complete"], row["resume_token"] is not None) == ("ok", complete, resumes)


def test_a_look_that_goes_on_from_a_token_is_not_complete(looker: Callable[..., Looker]) -> None:
    look = looker(eu_west_1=B)
    token = look.look("eu-west-1", max_items=1)["resume_token"]
    row = look.look("eu-west-1", starting_token=token)
    assert (row["status"], row["complete"], row["builders"]) == ("ok", False, 1)


def test_an_unknown_name_is_the_apis_error(looker: Callable[..., Looker]) -> None:
    row = looker(*A).look(names=("nobody",))
    assert (row["status"], row["error_code"]) == ("error", "ResourceNotFoundException")
    assert row["error_message"] == "Image builder nobody does not exist."


def test_no_credentials_are_a_row_too(looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch) -> None:
    look = looker(*A)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    row = look.look()
    assert (row["status"], row["error_code"]) == ("credentials", "NoCredentialsError")
    nothing = {"complete": False, "pages": 0, "builders": 0, "duplicates": 0, "retries": 0, "resume_token": None}
    assert {name: row[name] for name in nothing} == nothing
    assert (row["first_request_id"], row["last_request_id"]) == (None, None)


def test_a_region_that_cannot_even_be_called_is_a_row_of_nothing(looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    row = look.look("no region")
    told = ("status", "error_code", "complete", "pages", "builders", "retries", "first_request_id", "resume_token")
    assert tuple(row[name] for name in told) == ("error", "ConfigurationError", False, 0, 0, 0, None, None)
    assert look.sandbox.appstream.calls == []


def test_what_a_reply_has_beside_its_builders_is_kept(looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    look.sandbox.appstream.faults.append(Fault("body", value='{"ImageBuilders": [], "Region": "moon"}'))
    assert look.look()["extra"] == '{"Region": "moon"}'


@pytest.mark.parametrize("spool_rows", [spool.SPOOL_ROWS, 1])
def test_a_look_is_the_same_whether_it_stays_in_memory_or_not(
    spool_rows: int, looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SPOOL_ROWS", spool_rows)
    look = looker(*(builder(f"b{i}") for i in range(30)), builder("b3", State="STOPPED"))
    published = look.publish(page_size=4)
    told = look.warehouse.read(IMAGE_BUILDERS, published.snapshot_id)
    assert told["name"].to_pylist() == [f"b{i}" for i in range(30) if i != 3] + ["b3"]
    assert (published.rows[0]["duplicates"], told["state"].to_pylist()[-1]) == (1, "STOPPED")


def test_a_builder_that_a_page_lists_twice_is_one_as_it_was_told_last(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"), builder("b"), builder("a", State="STOPPED"))
    published = look.publish()
    told = look.warehouse.read(IMAGE_BUILDERS, published.snapshot_id)
    assert sorted(zip(told["name"].to_pylist(), told["state"].to_pylist(), strict=True)) == [
        ("a", "STOPPED"),
        ("b", "RUNNING"),
    ]
    assert [(r["pages"], r["builders"], r["duplicates"]) for r in published.rows] == [(1, 2, 1)]


def test_progress_is_told_as_targets_are_done(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.faults.append(Fault("deny", region="us-*"))
    told: set[tuple[int, int, int, int]] = set()

    def report(progress: Progress) -> None:
        told.add((progress.targets, progress.done, progress.failed, progress.builders))

    with look.warehouse.stage("s") as (_, sink):
        regions = [target("us-east-1"), target("eu-west-1")]
        Sweep(
            Access(sessions.new_session()),
            look.sandbox.clock.now,
            Selection(page_size=1),
            RetryPolicy(0, 0),
            concurrency=1,
            report=report,
        ).run(regions, sink)
    assert {(2, 1, 1, 0), (2, 2, 1, 2)} <= told


def test_the_sandbox_saw_what_the_rows_tell(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.publish("eu-west-1", "us-east-1")
    assert {(c.account_id, c.region) for c in look.sandbox.appstream.calls} == set(estate_of(look))


def sweep_of(
    look: Looker, targets: list[Target], concurrency: int = 4, retry_policy: RetryPolicy | None = None
) -> list[Row]:
    sweep = Sweep(
        Access(sessions.new_session(), concurrency),
        lambda: datetime.now(UTC),
        Selection(page_size=2),
        retry_policy or RetryPolicy(1, 0),
        concurrency,
    )
    with look.warehouse.stage("sweep") as (_, sink):
        return sweep.run(targets, sink)


def test_a_page_is_taken_up_at_its_token_then_the_target_once_more_from_the_start(
    looker: Callable[..., Looker],
) -> None:
    look = looker(*(builder(f"b{n}") for n in range(6)))
    look.sandbox.appstream.faults.append(Fault("html", page=2, times=3))
    row = look.look(page_size=2)
    assert [c.page for c in look.sandbox.appstream.calls] == [1, 2, 2, 1, 2, 2, 3]
    assert (row["status"], row["complete"], row["builders"], row["pages"], row["retries"]) == ("ok", True, 6, 3, 3)


def test_a_page_that_comes_ends_the_failures_of_the_page_before_it(looker: Callable[..., Looker]) -> None:
    """Each page may fail as often as is allowed in a row, and the look never starts over."""
    look = looker(*(builder(f"b{n}") for n in range(6)))
    look.sandbox.appstream.faults += [Fault("fail", page=page, times=1) for page in (1, 2, 3)]
    row = look.look(page_size=2)
    assert [c.page for c in look.sandbox.appstream.calls] == [1, 1, 2, 2, 3, 3]
    assert (row["status"], row["complete"], row["builders"], row["pages"], row["retries"]) == ("ok", True, 6, 3, 3)


def test_looks_that_are_at_work_at_once_are_spread_over_accounts_and_over_regions(
    looker: Callable[..., Looker],
) -> None:
    """No role is waited for by many, and no region needs a connection for each of them."""
    accounts, regions = [f"{n:012d}" for n in (1, 2, 3, 4)], ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"]
    targets = [Target(a, r, "aws", (Role(role_arn(a)),)) for a in accounts for r in regions]
    look = looker()
    sweep_of(look, targets, concurrency=1)
    order = [(c.account_id, c.region) for c in look.sandbox.appstream.calls]
    assert sorted(order) == sorted((t.account_id, t.region) for t in targets)
    for first in range(0, len(order), len(accounts)):
        at_once = order[first : first + len(accounts)]
        assert len({account for account, _ in at_once}) == len(at_once)
        assert len({region for _, region in at_once}) == len(at_once)


def test_the_second_time_comes_when_all_others_are_done(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.faults.append(Fault("fail", region="us-*", times=2))
    order: list[str] = []
    look.sandbox.appstream.on_page = lambda region, page: order.append(region)
    rows = sweep_of(look, [target("us-east-1"), target("eu-west-1")], concurrency=1)
    assert [r["status"] for r in rows] == ["ok", "ok"]
    assert order[-1] == "us-east-1"
    assert order.index("eu-west-1") < len(order) - 1


@pytest.mark.slow
def test_a_target_that_answers_slowly_never_holds_up_the_others(looker: Callable[..., Looker]) -> None:
    """More of them than may be at work at once, each slower than all the rest together."""
    slow, quick = OFFERED[:6], OFFERED[6:]
    look = looker(**{r.replace("-", "_"): [builder("b", r)] for r in OFFERED})
    look.sandbox.appstream.faults += [Fault("latency", region=r, value=6) for r in slow]

    class Sink:
        def write_batch(self, batch: object) -> None:
            pass

    sweep = Sweep(Access(sessions.new_session()), lambda: datetime.now(UTC), concurrency=2)
    rows = sweep.run([target(r) for r in (*slow, *quick)], Sink())
    assert {r["status"] for r in rows} == {"ok"}
    first_of_the_slow = min(r["observed_at"] for r in rows if r["region"] in slow)
    assert max(r["observed_at"] for r in rows if r["region"] in quick) < first_of_the_slow
    # Two at once the slow would have taken 18 seconds.
    assert max(r["observed_at"] for r in rows) - min(r["started_at"] for r in rows) < timedelta(seconds=16)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_are_at_work_at_once_than_configured_and_one_call_a_target(
    concurrency: int, looker: Callable[..., Looker]
) -> None:
    look = looker(**{r.replace("-", "_"): [builder(f"b{n}", r) for n in range(6)] for r in OFFERED[:8]})
    now, most, lock = Counter[str](), [0, 0], threading.Lock()

    def on_page(region: str, page: int) -> None:
        with lock:
            now[region] += 1
            most[:] = max(most[0], now.total()), max(most[1], now[region])
        time.sleep(0.02)
        with lock:
            now[region] -= 1

    look.sandbox.appstream.on_page = on_page
    rows = sweep_of(look, [target(r) for r in OFFERED[:8]], concurrency)
    assert {r["builders"] for r in rows} == {6}
    assert most == [concurrency, 1]


def test_a_third_of_all_calls_throttled_costs_no_target(
    looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    look = looker(**{r.replace("-", "_"): [builder(f"b{n}", r) for n in range(6)] for r in OFFERED})
    chance = random.Random(7)
    throttle = Fault("throttle")
    monkeypatch.setattr(throttle, "strikes", lambda *_: chance.random() < 0.33)
    look.sandbox.appstream.faults.append(throttle)
    rows = sweep_of(look, [target(r) for r in OFFERED], 4, RetryPolicy(3, 0.01))
    assert {(r["status"], r["complete"], r["builders"]) for r in rows} == {("ok", True, 6)}
    refused = [c for c in look.sandbox.appstream.calls if c.status == 400]
    assert sum(r["retries"] for r in rows) == len(refused) > 10


def test_a_region_that_knows_no_good_credentials_is_not_enabled(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.enabled[ACCOUNT] = {"us-east-1"}
    enabled, other = sweep_of(look, [target("us-east-1"), target("eu-west-1")])
    assert (enabled["status"], other["status"], other["error_code"]) == (
        "ok",
        "not_enabled",
        "UnrecognizedClientException",
    )
    assert "These credentials are good in us-east-1" in other["error_message"]
    # Where they are good nowhere, it is they that are wrong.
    assert sweep_of(look, [target("eu-west-1")])[0]["status"] == "credentials"


def test_a_mistake_of_ours_ends_the_sweep_instead_of_hanging_it(
    looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> float:
        raise ZeroDivisionError

    look = looker(us_east_1=A)
    look.sandbox.appstream.faults.append(Fault("fail"))
    monkeypatch.setattr(RetryPolicy, "pause", mistaken)
    with pytest.raises(ZeroDivisionError):
        sweep_of(look, [target("us-east-1")])


def test_small_pages_of_many_targets_are_each_their_own(looker: Callable[..., Looker]) -> None:
    """Read together and gathered into one batch, with one among them that is broken at first, and one always."""
    look = looker(**{r.replace("-", "_"): [builder(f"{r}-{n}", r) for n in range(3)] for r in OFFERED})
    look.sandbox.appstream.faults += [
        Fault("html", region=OFFERED[3], times=1),
        Fault("short", region=OFFERED[5]),
        Fault("unknown_members", region=OFFERED[7]),
        Fault("latency", value=0.05),
    ]
    published = look.publish(*OFFERED)
    told = look.warehouse.read(IMAGE_BUILDERS, published.snapshot_id)
    assert sorted(zip(told["region"].to_pylist(), told["name"].to_pylist(), strict=True)) == sorted(
        (r, f"{r}-{n}") for r in OFFERED for n in range(3) if r != OFFERED[5]
    )
    assert {r["region"]: r["status"] for r in published.rows if r["status"] != "ok"} == {OFFERED[5]: "malformed"}
