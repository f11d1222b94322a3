"""Findings: every rule where it passes, fails, and where AWS tells too little; thresholds that are changed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.errors import ConfigurationError
from pipeline.sandbox.server import ACCOUNT
from pipeline.settings import conditions, rules
from pipeline.settings.exceptions import ExceptionKeys
from pipeline.settings.rules import read_rules
from pipeline.settings.working_hours import WorkingHoursKeys
from pipeline.views.database import column_types
from pipeline.warehouse import Warehouse
from tests.support import NOON, builder, replay, settings_of
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def told(home: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in views.query(home, sql, views.Settings.read(settings_of())).to_pylist()]


def publish(home: Warehouse, *builders: dict[str, Any], at: Any = NOON) -> None:
    replay.replay(home, at, {"us-east-1": Look(list(builders))})


def status(home: Warehouse, rule: str) -> dict[str, tuple[str, str]]:
    rows = told(home, f"select name, status, evidence from findings where rule = '{rule}'")
    return {name: (status, evidence) for name, status, evidence in rows}


ERROR = {"ErrorCode": "DOMAIN_JOIN_ERROR_LOGON_FAILURE", "ErrorMessage": "no"}
MEMBERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("default_internet_access", {"EnableDefaultInternetAccess": True}, "fail", "EnableDefaultInternetAccess is true"),
    ("default_internet_access", {"EnableDefaultInternetAccess": False}, "pass", "EnableDefaultInternetAccess is false"),
    ("default_internet_access", {}, "unknown", "EnableDefaultInternetAccess is not told"),
    ("imdsv1_allowed", {"DisableIMDSV1": False}, "fail", "DisableIMDSV1 is false"),
    ("imdsv1_allowed", {"DisableIMDSV1": True}, "pass", "DisableIMDSV1 is true"),
    ("imdsv1_allowed", {}, "unknown", "DisableIMDSV1 is not told"),
    ("no_vpc_endpoint", {}, "fail", "0 access endpoints"),
    (
        "no_vpc_endpoint",
        {"AccessEndpoints": [{"EndpointType": "STREAMING", "VpceId": "vpce-1"}]},
        "pass",
        "1 access endpoints",
    ),
    ("iam_role_attached", {"IamRoleArn": "arn:aws:iam::1:role/r"}, "fail", "arn:aws:iam::1:role/r"),
    ("iam_role_attached", {}, "unknown", "IamRoleArn is not told"),
    (
        "agent_not_latest",
        {"AppstreamAgentVersion": "06-24-2026", "LatestAppstreamAgentVersion": "FALSE"},
        "fail",
        "agent 06-24-2026, latest: FALSE",
    ),
    ("agent_not_latest", {"LatestAppstreamAgentVersion": "TRUE"}, "pass", "agent not told, latest: TRUE"),
    ("agent_not_latest", {"LatestAppstreamAgentVersion": "MAYBE"}, "unknown", "agent not told, latest: MAYBE"),
    ("agent_not_latest", {}, "unknown", "agent not told, latest: not told"),
    (
        "errors_present",
        {"ImageBuilderErrors": [ERROR, ERROR]},
        "fail",
        "RUNNING, 2 errors, DOMAIN_JOIN_ERROR_LOGON_FAILURE",
    ),
    (
        "errors_present",
        {"State": "FAILED", "ImageBuilderErrors": [ERROR]},
        "pass",
        f"FAILED, 1 errors, {ERROR['ErrorCode']}",
    ),
    ("errors_present", {}, "pass", "RUNNING, 0 errors"),
    (
        "errors_present",
        {"State": None, "ImageBuilderErrors": [ERROR]},
        "unknown",
        f"no state, 1 errors, {ERROR['ErrorCode']}",
    ),
    ("failed", {"State": "FAILED", "ImageBuilderErrors": [ERROR]}, "fail", f"FAILED, {ERROR['ErrorCode']}"),
    ("failed", {}, "pass", "RUNNING"),
    ("failed", {"State": None}, "unknown", "no state"),
    (
        "agent_access_open",
        {"AgentAccessConfig": {"UserControlMode": "VIEW_STOP"}},
        "fail",
        "UserControlMode is VIEW_STOP",
    ),
    (
        "agent_access_open",
        {"AgentAccessConfig": {"UserControlMode": "VIEW_ONLY"}},
        "fail",
        "UserControlMode is VIEW_ONLY",
    ),
    (
        "agent_access_open",
        {"AgentAccessConfig": {"UserControlMode": "DISABLED"}},
        "pass",
        "UserControlMode is DISABLED",
    ),
    ("agent_access_open", {}, "unknown", "UserControlMode is not told"),
    (
        "agent_screenshots",
        {"AgentAccessConfig": {"ScreenshotsUploadEnabled": True}},
        "fail",
        "ScreenshotsUploadEnabled is true",
    ),
    (
        "agent_screenshots",
        {"AgentAccessConfig": {"ScreenshotsUploadEnabled": False}},
        "pass",
        "ScreenshotsUploadEnabled is false",
    ),
    ("agent_screenshots", {}, "unknown", "ScreenshotsUploadEnabled is not told"),
]


def test_every_rule_of_one_look(home: Warehouse) -> None:
    names = [f"b{number:02}" for number in range(len(MEMBERS))]
    publish(home, *(builder(name, **members) for name, (_, members, *_) in zip(names, MEMBERS, strict=True)))
    rows = told(home, "select name, rule, status, evidence from findings")
    found = {(name, rule): (status, evidence) for name, rule, status, evidence in rows}
    for name, (rule, members, expected, evidence) in zip(names, MEMBERS, strict=True):
        assert found[name, rule] == (expected, evidence), (rule, members)


def test_the_rules_of_members_are_shown_to_pass_fail_and_be_unknown() -> None:
    shown = {(rule, expected) for rule, _, expected, _ in MEMBERS}
    never_passes, never_unknown = {"iam_role_attached"}, {"no_vpc_endpoint"}
    assert {rule for rule, *_ in MEMBERS} <= {rule.name for rule in rules.read_rules().rules}
    for rule, *_ in MEMBERS:
        assert (rule, "fail") in shown
        assert ((rule, "pass") in shown) is (rule not in never_passes)
        assert ((rule, "unknown") in shown) is (rule not in never_unknown)
    assert all(rule.source.startswith("https://") for rule in rules.read_rules().rules)


CREATED = (NOON - 300 * DAY).timestamp()


def test_running_too_long_is_judged_by_both_bounds(home: Warehouse) -> None:
    def made(name: str, state: str | None, created: float = CREATED) -> dict[str, Any]:
        return builder(name, State=state, CreatedTime=created)

    for hours in (24, 22, 19, 16, 13, 10, 7, 4, 2):
        at = NOON - hours * HOUR
        replay.replay(home, at, {"us-east-1": Look([made("proven", "RUNNING")], complete=False)}, "hourly")
    seen = (made("long", "RUNNING"), made("proven", "RUNNING"), made("since", "STOPPED"), made("off", "RUNNING"))
    replay.replay(home, NOON - DAY, {"us-east-1": Look(seen)}, "hourly")
    publish(
        home,
        made("long", "RUNNING"),
        made("proven", "RUNNING"),
        made("since", "RUNNING"),
        made("off", "STOPPED"),
        made("new", "RUNNING", (NOON - DAY / 8).timestamp()),
        made("old", "RUNNING"),
        made("odd", None),
        made("strange", "HIBERNATED"),
    )
    found = status(home, "running_too_long")
    assert found["proven"] == ("fail", "RUNNING, 24 to 7200 hours, seen so at 10 of 10 looks")
    assert found["long"] == ("unknown", "RUNNING, 0 to 7200 hours, seen so at 2 of 10 looks, up to 24 h apart")
    nobody_looked = "RUNNING, 0 to 24 hours, seen so at 1 of 1 look"
    assert found["since"] == ("unknown", nobody_looked), "it may have been started right after we looked"
    assert found["new"] == ("pass", "RUNNING, 0 to 3 hours, seen so at 1 of 1 look")
    assert found["old"] == ("unknown", nobody_looked), "the day before, nobody saw it"
    assert found["off"][0] == "pass"
    assert (found["odd"][0], found["strange"][0]) == ("unknown", "unknown")


def test_what_is_another_price_is_the_same_running(home: Warehouse) -> None:
    def made(name: str, **members: Any) -> dict[str, Any]:
        return builder(name, State="RUNNING", CreatedTime=CREATED, Platform="WINDOWS_11") | members

    publish(home, made("platform"), made("volume"), made("anew"), at=NOON - 3 * DAY)
    publish(home, made("platform", Platform=None), made("volume"), made("anew"), at=NOON - DAY)
    anew = made("anew", Platform="RHEL8", CreatedTime=(NOON - DAY / 8).timestamp())
    publish(home, made("platform"), made("volume", RootVolumeConfig={"VolumeSizeInGb": 300}), anew)
    found = status(home, "running_too_long")
    seen = "RUNNING, 0 to 7200 hours, seen so at 3 of 3 looks, up to 48 h apart"
    assert found["platform"] == found["volume"] == ("unknown", seen)
    assert found["anew"] == ("pass", "RUNNING, 0 to 3 hours, seen so at 1 of 1 look")
    assert len(told(home, "from running_spans where name = 'platform'")) == 3


def test_stopped_long_is_judged_by_both_bounds(home: Warehouse) -> None:
    for days in range(40, -1, -8):
        others = [builder("used", State="RUNNING" if days == 40 else "STOPPED", CreatedTime=CREATED)]
        publish(home, builder("unused", State="STOPPED", CreatedTime=CREATED), *others, at=NOON - days * DAY)
    found = status(home, "stopped_long")
    assert found["unused"] == ("fail", "STOPPED, 40 to 300 days, seen so at 6 of 6 looks, up to 192 h apart")
    assert found["used"] == ("fail", "STOPPED, 32 to 40 days, seen so at 5 of 5 looks, up to 192 h apart")
    Path("findings.yaml").write_text("rules: {stopped_long: {threshold: 36}}\n")
    assert status(home, "stopped_long")["used"][0] == "unknown"
    Path("findings.yaml").write_text("rules: {stopped_long: {threshold: 41}}\n")
    found = status(home, "stopped_long")
    assert (found["used"][0], found["unused"][0]) == ("pass", "unknown")


def test_a_threshold_is_reached_in_its_own_hour(home: Warehouse) -> None:
    def see(at: datetime, seen: str, most: str, less: str) -> None:
        states = {"seen": seen, "most": most, "less": less}
        builders = [builder(name, State=state, CreatedTime=CREATED) for name, state in states.items()]
        replay.replay(home, at, {"us-east-1": Look(builders)}, "hourly")

    month = 30 * DAY
    see(NOON - month, "STOPPED", "RUNNING", "RUNNING")
    see(NOON - month + HOUR, "STOPPED", "STOPPED", "RUNNING")
    see(NOON - month + 2 * HOUR, "STOPPED", "STOPPED", "STOPPED")
    see(NOON, "STOPPED", "STOPPED", "STOPPED")
    columns = "name, status, hours_seen, hours_high"
    sql = f"select {columns} from findings join finding_facts using (arn, name) where rule = 'stopped_long'"
    assert told(home, f"{sql} order by hours_high desc") == [
        ("seen", "fail", 720.0, 7200.0),
        ("most", "unknown", 719.0, 720.0),  # It may have been stopped right after it was seen running.
        ("less", "pass", 718.0, 719.0),
    ]


def test_a_target_that_fails_keeps_its_findings_marked(home: Warehouse) -> None:
    publish(home, builder("a", DisableIMDSV1=False))
    replay.replay(home, NOON + DAY, {"us-east-1": Look(None)})
    assert told(home, "select status, is_last_look_failed from findings where rule = 'imdsv1_allowed'") == [
        ("fail", True)
    ]


def test_settings_change_rules_without_a_word_of_sql(home: Warehouse) -> None:
    Path("findings.yaml").write_text(
        "owner_tags: [Team]\nbilled_states: [RUNNING, STOPPED]\nrules:\n"
        "  failed: {enabled: false}\n  imdsv1_allowed: {severity: high}\n  running_too_long: {threshold: 0.5}\n"
    )
    replay.replay(
        home,
        NOON,
        {"us-east-1": Look([builder("a", State="STOPPED")], tags={"a": {"Owner": "cad", "TEAM": "it"}})},
    )
    replay.replay(home, NOON + DAY, {"us-east-1": Look([builder("a", State="STOPPED")])})
    assert status(home, "failed") == {}
    assert status(home, "running_too_long")["a"] == (
        "unknown",
        "STOPPED, 0 to ? hours, seen so at 2 of 2 looks, up to 24 h apart",
    )
    assert told(home, "select distinct severity, owner from findings where rule = 'imdsv1_allowed'") == [("high", "it")]
    assert told(home, "select rule, threshold, unit from finding_rules where threshold is not null") == [
        ("running_too_long", 0.5, "hours"),
        ("stopped_long", 30.0, "days"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules: {running_to_long: {threshold: 3}}",
            "findings.yaml: rules: there is no rule running_to_long; did you mean running_too_long",
        ),
        ("rules: {mine: {title: x}}", "there is no rule mine; the rules are running_too_long"),
        ("rules: {mine: {title: x}}", "one of your own needs a condition, `fails`"),
        ("rules: {mine: {fails: state = 'X'}}", "the rule mine needs a title"),
        ("rules: {Mine: {title: x, fails: state = 'X'}}", "Mine is no name of a rule: write it in small letters"),
        ("rules: {failed: {fails: state = 'X'}}", "fails is for rules of your own, and failed is not"),
        ("rules: {mine: {title: x, fails: stat = 'X'}}", "there is no column stat; did you mean state?"),
        ("rules: {mine: {title: x, fails: name like}}", "rules.mine.fails: this is no"),
        ("rules: {mine: {title: x, fails: hours_low + 'a'}}", "rules.mine.fails: this is no condition"),
        ("rules: {mine: {title: x, fails: '1 in (select 1)'}}", "is on one image builder, and asks nothing else"),
        ("rules: {mine: {title: x, fails: max(hours_low) > 3}}", "is on one image builder, and asks nothing else"),
        ("rules: {mine: {title: x, fails: facts.state = 'X'}}", "there is no column facts.state; did you mean state?"),
        ("rules: {mine: {title: x, fails: endpoints}}", "this is no condition: it is neither true nor false"),
        ("rules: {mine: {title: x, fails: hours_low > threshold}}", "rule mine name the threshold: give it one"),
        ("rules: {mine: {title: x, fails: 'true, true'}}", "rules.mine.fails: this is no SQL of a condition"),
        ("rules: {failed: {treshold: 3}}", "rules.failed.treshold: there is no such key; did you mean threshold?"),
        (
            "rules: {running_too_long: {threshold: 0}}",
            "rules.running_too_long.threshold: Input should be greater than 0",
        ),
        ("rules: {failed: {severity: dire}}", "rules.failed.severity: Input should be 'low', 'medium' or 'high'"),
        ("cheks: warn", "cheks: there is no such key; did you mean checks? The keys here are owner_tags"),
        ("rules: {failed: {threshold: 3}}", "rules: the rule failed has no threshold; those that have one are running"),
        ("rules: {stopped_long: {threshold: .inf}}", "rules.stopped_long.threshold: this must be a number"),
        ("owner_tags: []", "owner_tags: the list is empty: name one at least"),
        ("billed_states: []", "billed_states: the list is empty: name one at least"),
        ("billed_states: [RUNING]", "billed_states: there is no state RUNING; did you mean RUNNING?"),
        ("checks: never", "checks: Input should be 'warn', 'error' or 'off'"),
        ("proof_hours: 0.5", "proof_hours: Input should be greater than or equal to 1"),
        ("proof_hours: long", "proof_hours: this must be a number"),
        ("working_hours: {days: [mon]}", "working_hours.days.0: Input should be 'monday'"),
        ("working_hours: {days: []}", "working_hours.days: the list is empty: name one day at least"),
        ("working_hours: {form: '08:00'}", "working_hours.form: there is no such key; did you mean from?"),
        ("working_hours: {from: 8:00}", "working_hours.from: '8:00' is no time of day: write it in quotes, \"08:00\""),
        ("rules: {stopped_long: {threshold: 1:30}}", "rules.stopped_long.threshold: this must be a number"),
        ("rules: {stopped_long: {threshold: 1_0}}", "rules.stopped_long.threshold: this must be a number"),
        ('rules: {stopped_long: {title: "\\ud800"}}', "a text has half a character"),
        ("working_hours: {to: '7'}", "working_hours.to: '7' is no time of day: write it in quotes"),
        ("working_hours: {from: '19:00'}", "working_hours: to is 18:00, and from is 19:00: to must be later"),
        ("working_hours: {utc_offset: CET}", "working_hours.utc_offset: 'CET' is no offset from UTC"),
        (
            "exceptions: [{rule: faild, name: a, reason: b, until: 2027-01-01}]",
            "exceptions: there is no rule faild; did you mean failed?",
        ),
        (
            "exceptions: [{rule: failed, reason: b, until: 2027-01-01}]",
            "exceptions.0: name the builders by name, account, region or tag",
        ),
        ("exceptions: [{rule: failed, name: a, reason: b}]", "exceptions.0.until: this key is missing"),
        (
            "exceptions: [{rule: failed, name: a, reason: ' ', until: 2027-01-01}]",
            "exceptions.0.reason: say why it is accepted",
        ),
        (
            "exceptions: [{rule: failed, name: a, reason: b, until: soon}]",
            "exceptions.0.until: this must be a date, 2027-03-31 for instance",
        ),
        (
            "exceptions: [{rule: failed, nam: a, reason: b, until: 2027-01-01}]",
            "exceptions.0.nam: there is no such key; did you mean name? The keys here are rule, name",
        ),
        (
            "exceptions: [{rule: failed, account: 123456789012, reason: b, until: 2027-01-01}]",
            "exceptions.0.account: YAML reads 123456789012 as a number",
        ),
        (
            "exceptions: [{rule: failed, tag: {A: x, B: y}, reason: b, until: 2027-01-01}]",
            "exceptions.0.tag: give one tag and its value",
        ),
    ],
)
def test_every_mistake_in_the_file_is_one_sentence(text: str, said: str) -> None:
    Path("findings.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as error:
        rules.read_rules(settings_of().file("findings"))
    assert said in str(error.value)
    assert "(line 1)" in str(error.value)


def test_every_key_of_the_settings_is_explained_where_the_defaults_are() -> None:
    text = (Path(__file__).parents[2] / "sql" / "rules.yaml").read_text()
    models = (rules.RulesFile, rules.RuleKeys, ExceptionKeys, WorkingHoursKeys)
    optional = {"account", "region", "tag"}
    for key in {f.alias or name for model in models for name, f in model.model_fields.items()} - optional:
        assert f"{key}:" in text, key


def test_an_exception_is_no_pass_and_its_finding_comes_back_when_its_time_is_over(home: Warehouse) -> None:
    tags = {"golden-1": {"Stage": "prod-eu"}, "golden-2": {"stage": "test"}, "other": {}}
    looks = [builder(name, IamRoleArn="arn:r", EnableDefaultInternetAccess=False) for name in tags]
    replay.replay(home, NOON, {"us-east-1": Look(looks, tags=tags)})
    replay.replay(home, NOON + DAY, {"us-east-1": Look(looks)})  # Tags were not asked for: they are what they were.

    def excepted(*exceptions: str, rule: str = "iam_role_attached") -> dict[str, str]:
        lines = "".join(f"  - {{{text}}}\n" for text in exceptions)
        Path("findings.yaml").write_text(f"exceptions:\n{lines}")
        asked = f"select name, status, excepted_because from findings where rule = '{rule}'"
        found = told(home, asked)
        assert {because is not None for _, is_told, because in found if is_told == "excepted"} <= {True}
        return {name: is_told for name, is_told, _ in found}

    fail = dict.fromkeys(tags, "fail")
    today = datetime.now(UTC).date()
    rule, why = "rule: iam_role_attached", f"reason: it must, until: {today + DAY}"
    assert excepted(f"{rule}, name: golden-*, {why}") == fail | {"golden-1": "excepted", "golden-2": "excepted"}
    assert excepted(f"{rule}, name: 'golden-?', region: 'us-*', {why}")["golden-2"] == "excepted"
    assert excepted(f"{rule}, name: golden, {why}") == fail
    assert excepted(f"{rule}, name: golden-*, region: eu-*, {why}") == fail
    assert excepted(f'{rule}, account: "{ACCOUNT}", {why}') == dict.fromkeys(tags, "excepted")
    assert excepted(f'{rule}, account: "2*", {why}') == fail
    assert excepted(f"{rule}, tag: {{stage: prod*}}, {why}") == fail | {"golden-1": "excepted"}
    assert excepted(f"{rule}, tag: {{owner: prod*}}, {why}") == excepted(f"{rule}, tag: {{stage: x*}}, {why}") == fail
    assert excepted(f"{rule}, name: '*', reason: b, until: {today}")["other"] == "excepted"
    assert excepted(f"{rule}, name: '*', reason: b, until: {today - DAY}") == fail
    internet = f"rule: default_internet_access, name: '*', {why}"
    assert set(excepted(internet, rule="default_internet_access").values()) == {"pass"}
    assert excepted(
        f"{rule}, name: '*', reason: old, until: {today}", f"{rule}, name: 'o*', reason: new, until: {today + DAY}"
    )
    assert told(home, "select distinct excepted_because from findings where status = 'excepted' order by 1") == [
        ("new",),
        ("old",),
    ]
    assert told(home, "select count(*) from findings where status = 'excepted' and excepted_until is null") == [(0,)]


@pytest.mark.parametrize("glob", ["a^b", "a[b]", "a\\b", "a.b", "(a)", "a$", "*+?", "a|b"])
def test_a_glob_takes_every_other_character_for_itself(glob: str, home: Warehouse) -> None:
    replay.replay(home, NOON, {"us-east-1": Look([builder("a", IamRoleArn="x")], tags={"a": {"T": glob}})})
    Path("findings.yaml").write_text(
        json.dumps(
            {"exceptions": [{"rule": "iam_role_attached", "tag": {"T": glob}, "reason": "b", "until": "@"}]}
        ).replace('"@"', "2999-01-01")
    )
    assert status(home, "iam_role_attached")["a"][0] == "excepted"
    replay.replay(home, NOON + DAY, {"us-east-1": Look([builder("a", IamRoleArn="x")], tags={"a": {"T": f"x{glob}"}})})
    assert status(home, "iam_role_attached")["a"][0] == ("excepted" if glob.startswith("*") else "fail")


def test_usage_counts_what_image_builders_use_now(home: Warehouse) -> None:
    gone: dict[str, Any] = {
        "VpcConfig": {"SubnetIds": ["s9"], "SecurityGroupIds": ["g9"]},
        "ImageArn": "arn:aws:appstream:r::image/Old",
    }
    publish(home, builder("gone", **gone), at=NOON - DAY)
    exhausted = {
        "ErrorCode": "SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES",
        "ErrorMessage": "full",
        "ErrorTimestamp": (NOON - DAY).timestamp(),
    }
    image = "arn:aws:appstream:us-east-1::image/AppStream-WinServer2022-09-01-2026"
    publish(
        home,
        builder(
            "a",
            VpcConfig={"SubnetIds": ["s1", "s2"], "SecurityGroupIds": ["g1"]},
            ImageArn=image,
            EnableDefaultInternetAccess=True,
            DisableIMDSV1=False,
        ),
        builder(
            "b",
            State="FAILED",
            VpcConfig={"SubnetIds": ["s1"], "SecurityGroupIds": ["g1", "g2"]},
            ImageBuilderErrors=[exhausted],
            ImageArn="arn:aws:appstream:us-east-1:123456789012:image/ours",
        ),
    )
    where = "123456789012", "us-east-1"
    assert told(home, "from subnet_usage order by subnet_id") == [
        (*where, "s1", 2, 1, 1, NOON - DAY),
        (*where, "s2", 1, 1, 0, None),
    ]
    assert told(home, "from security_group_usage order by security_group_id") == [
        (*where, "g1", 2, 1, 1, 1),
        (*where, "g2", 1, 0, 0, 0),
    ]
    usage = "select image_name, cast(image_date as varchar), age_days, builders, running from image_usage order by 1"
    assert told(home, usage) == [
        ("AppStream-WinServer2022-09-01-2026", "2026-09-01", 83, 1, 1),
        ("ours", None, None, 1, 0),
    ]


def test_an_error_is_logged_once_from_the_first_look_to_the_last(home: Warehouse) -> None:
    error = ERROR | {"ErrorTimestamp": (NOON - DAY).timestamp()}
    for number in range(3):
        publish(home, builder("a", ImageBuilderErrors=[error] if number < 2 else []), at=NOON + number * DAY)
    publish(home, builder("a", ImageBuilderErrors=[ERROR]), at=NOON + 3 * DAY)
    columns = "error_code, error_timestamp, first_seen_at, last_seen_at, snapshots, is_current"
    code = ERROR["ErrorCode"]
    assert told(home, f"select {columns} from error_log order by first_seen_at") == [
        (code, NOON - DAY, NOON, NOON + DAY, 2, False),
        (code, None, NOON + 3 * DAY, NOON + 3 * DAY, 1, True),
    ]


def test_a_rule_of_ones_own_is_an_entry_of_the_file(home: Warehouse) -> None:
    Path("findings.yaml").write_text(
        """
        rules:
          large: {title: Larger than anybody needs, fails: instance_type like '%.2xlarge', severity: high, threshold: 2}
          idle: {title: Idle, fails: hours_seen > threshold, passes: "state = 'FAILED'", threshold: 1, checks: error,
                 evidence: "concat(name, ' is ', state)", source: "https://wiki.example.com"}
        exceptions: [{rule: large, name: c, reason: it renders, until: 2999-12-31}]
        """
    )
    seen = [
        builder("a", InstanceType="stream.memory.2xlarge"),
        builder("b", InstanceType=None, State="FAILED"),
        builder("c", InstanceType="stream.memory.2xlarge"),
        builder("d", InstanceType="stream.standard.large"),
    ]
    replay.replay(home, NOON, {"us-east-1": Look(seen)})
    assert status(home, "large") == {
        "a": ("fail", "instance_type is stream.memory.2xlarge"),
        "b": ("unknown", "instance_type is not told"),
        "c": ("excepted", "instance_type is stream.memory.2xlarge"),
        "d": ("pass", "instance_type is stream.standard.large"),
    }
    assert status(home, "idle")["b"] == ("pass", "b is FAILED")
    assert status(home, "idle")["a"] == ("unknown", "a is RUNNING")
    assert told(home, "select distinct severity, title from findings where rule = 'large'") == [
        ("high", "Larger than anybody needs")
    ]
    checks = {rule.name: rule.check for rule in read_rules(settings_of().file("findings")).rules}
    assert (checks["large"], checks["idle"]) == ("warn", "error")


def test_what_a_condition_may_name_are_the_columns_of_the_facts() -> None:
    facts = next(view for view in views.all_views() if view.name == "finding_facts")
    assert set(conditions.facts()) - {"threshold"} == set(facts.columns) - {"snapshot_date"}
    types = {name: str(kind) for name, kind in conditions.facts().items()}
    for column, kind in column_types(facts).items():
        if column in types:
            wanted = {"varchar": "string", "bigint": "int64", "integer": "int32", "double": "double", "boolean": "bool"}
            assert types[column] == wanted.get(kind, types[column]), column
