"""Roles: assumed, chained, renewed in the middle of a listing, refused; and what is never told of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.aws import Access, Role, sessions
from pipeline.aws.failures import RoleError
from pipeline.extract import RetryPolicy, Selection, Sweep
from pipeline.extract.look import Row
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import Sandbox
from pipeline.targets import Target
from tests.support import StartSandbox, builder, role_arn, write_targets

A, B, HUB = "111122223333", "444455556666", "777788889999"
REGIONS = ["us-east-1", "eu-west-1", "eu-central-1", "ap-northeast-1"]
COMMAND = Path(sys.executable).with_name("image-builders")

Swept = Callable[..., list[Row]]


def target(account_id: str, region: str = "us-east-1", *hops: str) -> Target:
    return Target(account_id, region, "aws", (*map(Role, hops), Role(role_arn(account_id), "warehouse")))


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    estate = FixedEstate({(a, r): [builder(f"b{n}", r, a) for n in range(6)] for a in (A, B) for r in REGIONS})
    sandbox = start_sandbox(estate)
    sandbox.front.roles = {role_arn(A): "warehouse", role_arn(B): "warehouse", role_arn(HUB): None}
    return sandbox


class _Nowhere:
    def write_batch(self, batch: object) -> None:
        pass


def sweep(targets: Sequence[Target], access: Access | None = None, concurrency: int = 4) -> list[Row]:
    access = access or Access(sessions.new_session())
    now = lambda: datetime.now(UTC)  # noqa: E731
    return Sweep(access, now, Selection(page_size=2), RetryPolicy(1, 0), concurrency).run(targets, _Nowhere())


def told(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(r["account_id"], r["region"], r["status"], r["complete"], r["builders"], r["retries"]) for r in rows]


def assumed(sandbox: Sandbox) -> int:
    return sandbox.actions.count("sts:AssumeRole")


def test_each_account_is_looked_at_as_its_own_role_assumed_once(sandbox: Sandbox) -> None:
    rows = sweep([target(a, r) for a in (A, B) for r in REGIONS])
    assert told(rows) == [(a, r, "ok", True, 6, 0) for a in (A, B) for r in REGIONS]
    assert assumed(sandbox) == 2
    assert {c.account_id for c in sandbox.appstream.calls} == {A, B}


def test_an_external_id_that_is_not_the_roles_is_refused(sandbox: Sandbox) -> None:
    (row,) = sweep([Target(A, "us-east-1", "aws", (Role(role_arn(A), "someone-elses"),))])
    assert (row["status"], row["error_code"]) == ("denied", "AccessDenied")
    assert row["error_message"].startswith(f"The role {role_arn(A)} cannot be assumed: ")


def test_a_role_that_is_missing_costs_its_account_and_is_asked_for_once(sandbox: Sandbox) -> None:
    assert sandbox.front.roles is not None
    del sandbox.front.roles[role_arn(A)]
    rows = sweep([target(a, r) for r in REGIONS for a in (A, B)])
    assert {(r["account_id"], r["status"]) for r in rows} == {(A, "denied"), (B, "ok")}
    assert assumed(sandbox) == 2


def test_a_session_that_expires_in_the_middle_is_followed_by_another_at_the_same_page(sandbox: Sandbox) -> None:
    def expire(region: str, page: int) -> None:
        if page == 2 and not sandbox.appstream.expired:
            sandbox.appstream.expired.add(next(iter(s for s in sandbox.front.secrets if s.startswith("ASIA"))))

    sandbox.appstream.on_page = expire
    rows = sweep([target(A)])
    assert told(rows) == [(A, "us-east-1", "ok", True, 6, 1)]
    assert [(c.page, c.status) for c in sandbox.appstream.calls] == [(1, 200), (2, 400), (2, 200), (3, 200)]
    assert assumed(sandbox) == 2


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_a_session_that_is_over_in_any_of_awss_words_is_followed_by_another(code: str, sandbox: Sandbox) -> None:
    said = json.dumps({"__type": code, "message": "It is expired."}).encode()
    sandbox.appstream.faults.append(Fault("error_body", account=A, times=1, value=(400, said)))
    assert told(sweep([target(A)])) == [(A, "us-east-1", "ok", True, 6, 1)]
    assert assumed(sandbox) == 2


def test_sessions_that_are_over_at_page_after_page_cost_no_look(sandbox: Sandbox) -> None:
    """More often in all than may be in a row."""
    sandbox.appstream.faults += [Fault("expire", account=A, page=page, times=2) for page in (1, 2)]
    assert told(sweep([target(A)])) == [(A, "us-east-1", "ok", True, 6, 4)]
    assert [c.page for c in sandbox.appstream.calls] == [1, 1, 1, 2, 2, 2, 3]


def test_that_ones_own_session_was_over_is_not_held_against_the_role(sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault("expire", service="sts", account=A, times=1))
    assert told(sweep([target(A)])) == [(A, "us-east-1", "ok", True, 6, 1)]


def test_regions_that_meet_an_expiry_together_assume_the_role_anew_once(sandbox: Sandbox) -> None:
    access = Access(sessions.new_session())
    targets = [target(A, r) for r in REGIONS]
    sweep(targets, access)
    sandbox.appstream.expired |= {s for s in sandbox.front.secrets if s.startswith("ASIA")}
    rows = sweep(targets, access)
    assert {r["status"] for r in rows} == {"ok"}
    assert assumed(sandbox) == 2


def test_sessions_that_never_hold_are_a_row(sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault("expire", account=A))
    rows = sweep([target(A), target(B)])
    assert told(rows) == [(A, "us-east-1", "credentials", False, 0, 3), (B, "us-east-1", "ok", True, 6, 0)]
    assert rows[0]["error_code"] == "ExpiredTokenException"


def test_a_session_is_renewed_before_it_expires(sandbox: Sandbox) -> None:
    access = Access(sessions.new_session())
    sweep([target(A)], access)
    session: Any = access.lease(target(A).roles)
    session._session._expiry_time = datetime.now(UTC) + timedelta(seconds=30)
    assert told(sweep([target(A)], access)) == [(A, "us-east-1", "ok", True, 6, 0)]
    assert assumed(sandbox) == 2


def test_roles_are_assumed_one_from_another(sandbox: Sandbox) -> None:
    rows = sweep([target(A, "us-east-1", role_arn(HUB)), target(B, "us-east-1", role_arn(HUB))])
    assert {r["status"] for r in rows} == {"ok"}
    assert assumed(sandbox) == 3, "the hub's once, and each account's"


def test_a_hub_session_that_has_expired_is_renewed_for_the_next_account(sandbox: Sandbox) -> None:
    access = Access(sessions.new_session())
    sweep([target(A, "us-east-1", role_arn(HUB))], access)
    sandbox.appstream.expired |= {s for s in sandbox.front.secrets if s.startswith("ASIA")}
    assert told(sweep([target(B, "us-east-1", role_arn(HUB))], access)) == [(B, "us-east-1", "ok", True, 6, 0)]


def test_a_hub_that_refuses_is_named(sandbox: Sandbox) -> None:
    sandbox.front.roles = {role_arn(A): "warehouse"}
    (row,) = sweep([target(A, "us-east-1", role_arn(HUB))])
    assert row["status"] == "denied"
    assert row["error_message"].startswith(f"The role {role_arn(HUB)} cannot be assumed: ")


def test_an_sts_out_of_reach_in_one_region_is_asked_in_another(sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault("reset", service="sts", region="us-east-1"))
    assert told(sweep([target(A)])) == [(A, "us-east-1", "ok", True, 6, 1)]


@pytest.mark.parametrize(("kind", "status"), [("throttle", "throttled"), ("fail", "error"), ("deny", "denied")])
def test_what_sts_answers_is_the_status_of_the_look(kind: str, status: str, sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault(kind, service="sts", account=A))
    rows = sweep([target(A), target(B)])
    assert [r["status"] for r in rows] == [status, "ok"]
    assert rows[0]["retries"] == (0 if kind == "deny" else 3)


def test_an_sts_that_is_throttled_for_a_while_costs_nothing(sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault("throttle", service="sts", account=A, times=1))
    assert [r["status"] for r in sweep([target(A, r) for r in REGIONS])] == ["ok"] * len(REGIONS)


def test_regional_sts_endpoints_are_asked(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    client = Access(sessions.new_session()).client("sts", "eu-west-1")
    assert client.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


def test_where_retries_are_adaptive_no_account_slows_down_another(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    def clients() -> tuple[Any, Any]:
        access = Access(sessions.new_session())
        one, two = (access.client("appstream", "us-east-1", target(a).roles) for a in (A, B))
        return one, two

    one, two = clients()
    assert one is two
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    one, two = clients()
    assert one is not two


def test_a_refusal_can_be_read(sandbox: Sandbox) -> None:
    lease = Access(sessions.new_session()).lease((Role(role_arn("999999999999")),))
    with pytest.raises(
        RoleError, match=r"^The role arn:aws:iam::999999999999:role/reader cannot be assumed: User is not"
    ):
        lease.get_frozen_credentials()


@pytest.mark.slow
def test_no_secret_is_in_any_file_or_log(sandbox: Sandbox, tmp_path: Path) -> None:
    """Against an AWS that quotes session tokens in its refusals, with everything logged that can be."""
    write_targets(
        regions=REGIONS,
        accounts=[{"id": a, "role": role_arn(a), "external_id": "warehouse", "via": role_arn(HUB)} for a in (A, B)],
    )
    home = tmp_path / ".dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        "telemetry:\n  enabled: false\n"
        "python_logs:\n  managed_python_loggers: [root, botocore, boto3, urllib3]\n  python_log_level: DEBUG\n"
    )
    sandbox.appstream.faults += [
        Fault("signature", region="eu-west-1"),
        Fault("quoting", region="us-east-1"),
        Fault("expire", region="eu-central-1"),
        Fault("reset", region="ap-northeast-1", times=1),
    ]
    environ = os.environ | {"DAGSTER_HOME": str(home)}
    texts = []
    for command in ("doctor", "targets", "snapshot"):
        done = subprocess.run([COMMAND, command], capture_output=True, env=environ, check=False)
        texts += [done.stdout, done.stderr]
    assert b"6 of 8 targets were not seen" in texts[-1]
    files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert b"x-amz-security-token:***" in b"".join(texts), "the refusal is told, less its secret"
    assert any(b"Listing" in f or b"targets to look at" in f for f in files), "the logs are among the files"
    assert len(sandbox.front.secrets) > 12
    for secret in sandbox.front.secrets:
        # Nor a part of one: what is quoted may be cut.
        assert not [f[:80] for f in (*texts, *files) if secret[:16].encode() in f]


def test_a_reply_of_sts_that_is_cut_short_is_not_quoted(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds keys that nobody knows yet."""
    from botocore.parsers import QueryParser, ResponseParserError

    def parse(*_: object) -> None:
        raise ResponseParserError("invalid XML received: <SecretAccessKey>new-and-unknown</SecretAccessKey>")

    monkeypatch.setattr(QueryParser, "_do_parse", parse)
    (row,) = sweep([target(A)])
    assert row["status"] == "malformed"
    assert row["error_message"].endswith("cannot be assumed: AWS's reply is cut short or not in its protocol.")


@pytest.mark.slow
def test_an_sts_that_hangs_is_not_waited_for_by_each_region_in_turn(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "BRIEF", sessions.Effort(1, 1))
    sandbox.appstream.faults.append(Fault("latency", service="sts", account=A, value=3))
    rows = sweep([target(A, r) for r in REGIONS], concurrency=8)
    assert {r["status"] for r in rows} == {"network"}
    assert assumed(sandbox) < 2 * len(REGIONS), "they were four tries each"
