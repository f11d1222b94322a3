"""A target that trickles, never ends or never answers costs itself: its row says so, and the others are committed."""

import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from pipeline.aws import Access, Role, bounds, new_session, replies, threads
from pipeline.contract import IMAGE_BUILDERS
from pipeline.extract import RetryPolicy, Sweep
from pipeline.extract.doctor import examine
from pipeline.extract.limits import LookLimits
from pipeline.extract.price_list import fetch_prices
from pipeline.sandbox.faults import Fault
from pipeline.targets import Plan, Target
from tests.support import NOON, Looker, builder, role_arn, target
from tests.support.dripping import Dripping

A, B = [builder("a")], [builder("b", "eu-west-1")]
SHORT = LookLimits(deadline=3.0)
ONE = "eu-west-1"


class Nowhere:
    """Counts the rows that come to it."""

    rows = 0

    def write_batch(self, batch: Any) -> None:
        self.rows += batch.num_rows


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("trickle", region=ONE, value=0.3), "network", "DeadlineExceeded"),
        (Fault("latency", region=ONE, value=30), "network", "DeadlineExceeded"),
        (Fault("endless", region=ONE), "malformed", "LargeReply"),
        (Fault("endless_listing", region=ONE), "malformed", "EndlessListing"),
        (Fault("endless_listing", region=ONE, value="same"), "malformed", "EndlessListing"),
        (Fault("endless_listing", region=ONE, value="new"), "malformed", "EndlessListing"),
    ],
)
def test_what_never_ends_costs_itself_and_the_others_are_committed(
    fault: Fault, status: str, code: str, looker: Callable[..., Looker]
) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.faults.append(fault)
    look.limits = LookLimits(deadline=4.0 if code == "DeadlineExceeded" else 60.0, pages=80)
    begun = time.monotonic()
    published = look.publish(ONE, "us-east-1")
    assert time.monotonic() - begun < 30
    lost, seen = published.rows
    assert (lost["region"], lost["status"], lost["error_code"]) == (ONE, status, code)
    assert (lost["builders"], lost["complete"], seen["status"]) == (0, False, "ok")
    assert look.warehouse.read(IMAGE_BUILDERS, published.snapshot_id)["name"].to_pylist() == ["a"]


def test_pages_that_come_again_under_new_tokens_are_noticed_long_before_a_limit(looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    look.sandbox.appstream.faults.append(Fault("endless_listing", value="same"))
    row = look.look()
    assert row["error_message"].startswith(f"AWS sent {bounds.REPEATS} pages in a row that it had sent before")
    assert len(look.sandbox.appstream.calls) < bounds.REPEATS + 40


def test_a_few_empty_pages_are_no_reason_to_doubt(looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    look.sandbox.appstream.faults.append(Fault("endless_listing", times=20))
    row = look.look()
    assert (row["status"], row["builders"], row["pages"]) == ("ok", 1, 21)


def test_a_look_may_have_no_more_bytes_than_its_limit(looker: Callable[..., Looker]) -> None:
    look = looker(*(builder(f"b{i}", Description="x" * 1000) for i in range(30)))
    look.limits = LookLimits(size=20_000)
    row = look.look(page_size=1)
    assert (row["status"], row["error_code"], row["builders"]) == ("malformed", "EndlessListing", 0)
    assert "20,000 bytes" in row["error_message"]


@pytest.mark.parametrize("seconds", [0.05, None])
def test_headers_that_trickle_or_never_come_end_with_the_deadline(
    seconds: float | None, looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = looker(*A)
    look.limits = SHORT
    with Dripping(seconds) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_APPSTREAM", server.url)
        row = look.look()
    assert (row["status"], row["error_code"]) == ("network", "DeadlineExceeded")
    assert row["error_message"] == "A look at one target may take 3 seconds, and they are over."


def test_a_reply_below_the_least_speed_ends_long_before_the_deadline(
    start_sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_sandbox(faults=[Fault("trickle", value=0.01)])
    client = replies.bound(boto3.client("appstream"), replies.Limits(patience=0.2, least_speed=1000))
    with pytest.raises(Exception, match=r"The reply comes too slowly: \d+ bytes in") as raised:
        client.describe_image_builders()
    assert isinstance(raised.value.kwargs["error"], bounds.SlowReplyError)  # type: ignore[attr-defined]


def test_a_look_whose_thread_waits_for_something_without_a_bound_is_given_up(looker: Callable[..., Looker]) -> None:
    """A program that fetches credentials, a name server: nothing of boto3's ends the wait for them."""
    sandbox = looker(us_east_1=A).sandbox
    never, access = threading.Event(), Access(new_session())
    role = Role(role_arn("111122223333"))

    class Hanging:
        def get_frozen_credentials(self) -> Any:
            never.wait()
            raise InterruptedError

        def renew(self) -> bool:
            return False

    access._leases[(role,)] = Hanging()
    stuck = [Target("111122223333", region, "aws", (role,)) for region in ("us-east-1", "us-west-2", ONE)]
    sink = Nowhere()
    sweep = Sweep(access, lambda: NOON, concurrency=2, limits=LookLimits(deadline=2.0))
    rows = sweep.run([*stuck, target()], sink)
    never.set()
    assert [row["status"] for row in rows] == ["network", "network", "network", "ok"]
    assert {row["error_code"] for row in rows[:3]} == {"DeadlineExceeded"}
    assert (sink.rows, len(sandbox.appstream.calls)) == (1, 1)


def test_a_second_try_has_what_is_left_of_the_time(looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    look.sandbox.appstream.faults += [Fault("latency", value=2.0), Fault("html")]
    look.limits = SHORT
    row = look.look()
    assert (row["status"], row["error_code"], row["retries"]) == ("network", "DeadlineExceeded", 1)


def test_tags_that_trickle_cost_the_tags(looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    look.sandbox.appstream.faults.append(Fault("trickle", service="tagging", value=0.3))
    look.tags, look.limits = True, LookLimits(deadline=4.0)
    row = look.look()
    assert (row["status"], row["builders"]) == ("ok", 1)
    assert (row["tags_status"], row["tags_error_code"]) == ("network", "DeadlineExceeded")


def test_a_price_list_that_trickles_is_an_error_in_time(start_sandbox: Callable[..., Any]) -> None:
    start_sandbox(faults=[Fault("trickle", service="pricing", value=0.3)])
    with pytest.raises(
        Exception, match=r"AWS does not tell its prices .DeadlineExceeded: Asking for the price list may"
    ):
        fetch_prices(new_session(), NOON, deadline=0.5)


def test_doctor_does_not_wait_either(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=A, eu_west_1=B)
    look.sandbox.appstream.faults.append(Fault("trickle", region=ONE, value=0.3))
    plan = Plan((target(), target(ONE)), 4)
    found = examine(Access(new_session()), plan, RetryPolicy(0, 0), lambda _: None, SHORT)
    assert [(f.status, f.error_code) for f in found] == [("ok", None), ("network", "DeadlineExceeded")]


def test_work_that_never_ends_is_given_up_and_its_errors_are_raised() -> None:
    never = threading.Event()
    with pytest.raises(bounds.DeadlineExceededError, match=r"Waiting may take .* seconds, and they are over"):
        threads.call_within(-threads.GRACE + 0.1, "waiting", never.wait)
    never.set()
    with pytest.raises(ZeroDivisionError):
        threads.call_within(5, "dividing", lambda: 1 / 0)
    assert threads.call_within(5, "telling", lambda: "told") == "told"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [(204, b"", "malformed"), (202, b"{}", "malformed"), (429, b"", "throttled"), (429, b"<html>slow", "throttled")],
)
def test_a_status_of_http_says_what_it_says(status: int, body: bytes, told: str, looker: Callable[..., Looker]) -> None:
    look = looker(*A)
    look.sandbox.appstream.faults.append(Fault("error_body", value=(status, body)))
    row = look.look()
    assert (row["status"], "answered 200" in row["error_message"]) == (told, False), row["error_message"]


def test_doctor_does_not_wait_for_an_sts_that_drips(
    looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch
) -> None:
    looker(*A)
    with Dripping(None) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        begun = time.monotonic()
        (found,) = examine(Access(new_session()), Plan((target(),), 4), RetryPolicy(0, 0), lambda _: None, SHORT)
    assert (found.identity, found.status) == (None, "ok")
    assert time.monotonic() - begun < 20
