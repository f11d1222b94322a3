"""Which targets there are, and what is said of settings that cannot be."""

import os
import re
from pathlib import Path

import boto3
import pytest

from pipeline import targets
from pipeline.aws import Access, Role, new_session
from pipeline.errors import ConfigurationError, CredentialsError
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, Sandbox
from pipeline.settings import targets_file
from pipeline.settings.targets_file import TargetsFile, read_targets
from pipeline.targets import Plan, Target
from tests.support import StartSandbox, builder, plan_of, role_arn, settings_of, target, write_targets
from tests.support.dripping import Dripping

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox()


def plan(*regions: str) -> Plan:
    return plan_of(regions)


def test_the_current_account_in_boto3s_own_region_is_the_default() -> None:
    assert plan() == Plan((target("us-east-1"),), 32)


def test_the_targets_file_names_regions_and_concurrency(tmp_path: Path) -> None:
    (tmp_path / "targets.yaml").write_text("regions: [eu-west-1, us-east-1]\nconcurrency: 4\n")
    assert plan().targets == (target("eu-west-1"), target("us-east-1"))
    assert plan().concurrency == 4


def test_options_come_before_the_file_and_are_taken_once(tmp_path: Path) -> None:
    (tmp_path / "targets.yaml").write_text("regions: [eu-west-1]\n")
    assert plan("us-east-2", "us-east-2").targets == (target("us-east-2"),)


def test_a_file_elsewhere_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("")
    monkeypatch.setenv("IMAGE_BUILDERS_TARGETS", "mine.yaml")
    assert read_targets(settings_of(os.environ).file("targets")) == TargetsFile()
    monkeypatch.setenv("IMAGE_BUILDERS_TARGETS", "gone.yaml")
    with pytest.raises(ConfigurationError, match=r"IMAGE_BUILDERS_TARGETS names gone.yaml, which does not exist\."):
        read_targets(settings_of(os.environ).file("targets"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("regions: us-east-1", r"targets.yaml: regions: write a list, \[us-east-1\], or the word all \(line 1\)\."),
        ("regions: []", r"targets.yaml: regions: list one region at least, or write the word all"),
        ("regions: [1]", r'targets.yaml: regions.0: YAML reads 1 as a number: write it in quotes, "1" \(line 1\)\.'),
        ("region: [us-east-1]", r"targets.yaml: region: there is no such key; did you mean regions\?"),
        ("concurrency: 0", r"targets.yaml: concurrency: Input should be greater than or equal to 1"),
        ("- us-east-1", r"targets.yaml: the file: this must be keys and values"),
        ("regions: [", r"targets.yaml is not YAML: "),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_by_key(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "targets.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        plan()


def test_a_region_that_does_not_exist_is_refused_with_the_nearest_that_does() -> None:
    with pytest.raises(
        ConfigurationError, match=r"AWS has no region 'us-eastt-1', .*; the nearest in name is us-east-1\."
    ):
        plan("us-eastt-1")
    with pytest.raises(ConfigurationError, match="AWS has no region 'moon'"):
        plan("eu-west-1", "moon")


def test_no_region_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ConfigurationError, match="No region is set: give --region"):
        plan()


def test_the_region_may_be_named_as_other_sdks_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert [t.region for t in plan().targets] == ["eu-west-1"]


@pytest.mark.parametrize(
    ("setting", "value"), [("AWS_RETRY_MODE", "bogus"), ("AWS_ENDPOINT_URL", "nowhere"), ("AWS_CONFIG_FILE", "bad.ini")]
)
def test_a_setting_of_boto3s_that_cannot_be_is_told(
    setting: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bad.ini").write_text("garbage\n")
    monkeypatch.setenv(setting, value)
    with pytest.raises(ConfigurationError, match=r"boto3 cannot be used as it is|The AWS configuration cannot be read"):
        plan()


def test_one_region_out_of_reach_does_not_hide_the_account(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(FixedEstate({(ACCOUNT, "eu-west-1"): [builder("a", "eu-west-1")]}))
    sandbox.appstream.faults.append(Fault("deny", region="us-east-1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
        assert {t.account_id for t in plan("us-east-1", "eu-west-1").targets} == {ACCOUNT}


def test_no_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="AWS credentials are missing"):
        plan()


def test_a_profile_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match=r"nobody.*set AWS_PROFILE"):
        plan()


def test_the_account_may_be_known_without_sts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCOUNT_ID", "012345678901")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    assert [t.account_id for t in plan().targets] == ["012345678901"]


def test_an_endpoint_without_sts_tells_the_account_by_its_builders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    assert plan().targets == (target("us-east-1"),)


def test_sts_that_cannot_be_reached_is_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, start_sandbox: StartSandbox
) -> None:
    start_sandbox(FixedEstate())
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    with pytest.raises(
        CredentialsError, match=r"AWS STS does not say .*EndpointConnectionError.*AWS_ACCOUNT_ID can say it"
    ):
        plan()


def test_an_arn_is_made_as_aws_documents_it() -> None:
    assert target().arn("n") == f"arn:aws:appstream:us-east-1:{ACCOUNT}:image-builder/n"


A, B = "111122223333", "444455556666"
ROLE_A = role_arn(A)
OFFERED = boto3.Session().get_available_regions("appstream")


def test_accounts_are_listed_with_role_external_id_name_and_regions() -> None:
    write_targets(
        regions=["us-east-1"],
        accounts=[
            {"id": A, "name": "golden", "role": ROLE_A, "external_id": "warehouse", "regions": ["eu-west-1"]},
            {
                "id": B,
                "role": role_arn(B),
                "via": [role_arn(A, "hub"), {"role": role_arn(B, "hop"), "external_id": "x1"}],
            },
            {"id": ACCOUNT},
        ],
    )
    assert plan().targets == (
        Target(A, "eu-west-1", "aws", (Role(ROLE_A, "warehouse"),), "golden"),
        Target(B, "us-east-1", "aws", (Role(role_arn(A, "hub")), Role(role_arn(B, "hop"), "x1"), Role(role_arn(B)))),
        target("us-east-1"),
    )


def test_options_come_before_every_region_of_the_file() -> None:
    write_targets(regions=["us-east-1"], accounts=[{"id": A, "role": ROLE_A, "regions": ["eu-west-1"]}])
    planned = plan("us-west-2")
    assert [t.region for t in planned.targets] == ["us-west-2"]
    assert not planned.is_whole
    assert plan().is_whole


def test_all_is_where_appstream_is_offered_and_the_account_has_enabled_it(sandbox: Sandbox) -> None:
    write_targets(regions="all")
    sandbox.front.enabled[ACCOUNT] = {"us-east-1", "eu-south-1", "af-south-1"}
    assert [t.region for t in plan().targets] == ["eu-south-1", "us-east-1"], "and AppStream is not in af-south-1"
    assert plan().remarks == ()


def test_globs_choose_and_exclude_regions() -> None:
    write_targets(regions=["eu-west-*", "us-east-1"], exclude_regions=["*-3"])
    assert [t.region for t in plan().targets] == ["us-east-1", "eu-west-1", "eu-west-2"]
    write_targets(regions="all", exclude_regions=["ap-*", "eu-*", "ca-*", "sa-east-1", "il-*", "us-east-2"])
    assert [t.region for t in plan().targets] == ["us-east-1", "us-west-2"]


@pytest.mark.parametrize("kind", ["deny", "throttle", "fail", "reset"])
def test_an_account_that_does_not_tell_its_regions_is_tried_in_all_of_them(kind: str, sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault(kind, service="ec2", account=A))
    sandbox.front.enabled[ACCOUNT] = {"us-east-1"}
    write_targets(regions="all", accounts=[{"id": A, "role": ROLE_A}, {"id": ACCOUNT}])
    planned = plan()
    assert [t.region for t in planned.targets if t.account_id == A] == OFFERED
    assert [t.region for t in planned.targets if t.account_id == ACCOUNT] == ["us-east-1"]
    (remark,) = planned.remarks
    assert str(remark).startswith(f"Account {A}: it does not tell which regions it has enabled (")
    assert remark.text.endswith("all are tried.")


def test_a_region_that_is_named_is_looked_at_whether_or_not_ec2_knows_of_it(sandbox: Sandbox) -> None:
    write_targets(regions=["eu-south-2", "eu-west-1"])
    assert [t.region for t in plan().targets] == ["eu-south-2", "eu-west-1"]
    assert "ec2:DescribeRegions" not in sandbox.actions


def test_partitions_are_kept_apart(sandbox: Sandbox) -> None:
    gov = role_arn(B, partition="aws-us-gov")
    write_targets(
        regions=["us-east-1", "us-gov-west-1", "cn-north-1"],
        accounts=[{"id": A, "role": ROLE_A}, {"id": B, "role": gov}],
    )
    assert [(t.account_id, t.region, t.partition) for t in plan().targets] == [
        (A, "us-east-1", "aws"),
        (B, "us-gov-west-1", "aws-us-gov"),
    ]
    assert plan().targets[1].arn("n").startswith("arn:aws-us-gov:appstream:us-gov-west-1:")
    write_targets(regions="all", accounts=[{"id": A, "role": ROLE_A}, {"id": B, "role": gov}])
    sandbox.appstream.faults.append(Fault("deny", service="ec2"))
    assert {t.region for t in plan().targets if t.account_id == B} == {"us-gov-east-1", "us-gov-west-1"}


def test_an_account_of_a_partition_without_any_of_the_regions_is_left_out_and_said_so() -> None:
    china = role_arn(B, partition="aws-cn")
    write_targets(regions="all", accounts=[{"id": A, "role": ROLE_A}, {"id": B, "role": china, "name": "beijing"}])
    planned = plan()
    assert {t.account_id for t in planned.targets} == {A}
    assert [str(r) for r in planned.remarks] == [
        f"Account {B} (beijing): left out, no region that is asked for is one of its partition."
    ]


ACCOUNT_A = f'- id: "{A}"\n    role: {ROLE_A}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "accounts:\n  - id: 111122223333",
            r'accounts\.0\.id: YAML reads 111122223333 as a number: write it in quotes, "111122223333" \(line 2\)\.',
        ),
        ('accounts:\n  - id: "11112222333"', r"accounts\.0\.id: '11112222333' is no account id: .* \(line 2\)\."),
        ("accounts: !!timestamp x", r"targets.yaml cannot be understood"),
        ("accounts: !!timestamp 2020-99-99", r"targets.yaml is not YAML: month must be in 1..12"),
        ('accounts: "\\ud800"', r"targets.yaml: a text has half a character \(line 1\)"),
        ("accounts:\n  - role: x", r"accounts\.0\.id: this key is missing \(line 2\)\."),
        (
            f'accounts:\n  - id: "{B}"\n    role: {ROLE_A}',
            rf"accounts\.0: the role is one of account {A}, not of {B}: give a role of this account, or its id",
        ),
        (f'accounts:\n  - id: "{A}"\n    role: reader', r"accounts\.0\.role: 'reader' is no role's ARN: .* \(line 3\)"),
        (f'accounts:\n  - id: "{A}"\n    rolle: x', r"accounts\.0\.rolle: there is no such key; did you mean role\?"),
        (f'accounts:\n  - id: "{A}"\n    external_id: warehouse', r"accounts\.0: external_id and via are for a role"),
        (
            f"accounts:\n  {ACCOUNT_A}\n    external_id: 12",
            r'accounts\.0\.external_id: YAML reads 12 as a number: .*"12"',
        ),
        (f"accounts:\n  {ACCOUNT_A}\n    external_id: ' '", r"accounts\.0\.external_id: it has characters that"),
        (f"accounts:\n  {ACCOUNT_A}\n    via: hub", r"accounts\.0\.via(\.role)?: 'hub' is no role's ARN"),
        (
            f"accounts:\n  {ACCOUNT_A}\n    regions: [us-gov-west-1]",
            r"accounts\.0: regions: us-gov-west-1 belongs to the",
        ),
        (f"accounts:\n  {ACCOUNT_A}\n    regions: [moon]", r"accounts\.0: regions: AWS has no region 'moon'"),
        (
            f"accounts:\n  {ACCOUNT_A}\n  {ACCOUNT_A}",
            rf"accounts\.1: account {A} in us-east-1 is a target already by accounts\.0: leave one of them out",
        ),
        (
            f"accounts:\n  {ACCOUNT_A}\n    regions: all\n  {ACCOUNT_A}\n    regions: [eu-west-1]",
            rf"accounts\.1: account {A} in eu-west-1 is a target already by accounts\.0",
        ),
        (
            f'accounts:\n  - id: "{A}"',
            rf"accounts\.0: account {A} has no role, and the current credentials are of account {ACCOUNT}",
        ),
        ("accounts: {}", r"accounts: this must be a list \(line 1\)\."),
        ("accounts: [a]", r"accounts\.0: this must be keys and values \(line 1\)\."),
        ("regions: [us-east-1, us-east-1]", r"regions: us-east-1 is listed twice; once is enough \(line 1\)\."),
        ("regions: [us-east-1]\nregions: [eu-west-1]", r"regions: this key comes twice: join the two \(line 2\)\."),
        ("regions: [moon-*]", r"'moon-\*' is no region in which AppStream is offered\."),
        ("exclude_regions: [us-eats-1]", r"exclude_regions: AWS has no region 'us-eats-1', .*us-east-1\."),
        ("organization: {}", r"organization\.role_name: this key is missing"),
        (
            f"organization:\n  role_name: {ROLE_A}",
            r"organization\.role_name: '.*' is no role's name: give the name alone",
        ),
        (
            "regions: [us-east-1, us-gov-west-1]",
            r"us-gov-west-1 belongs to the partition aws-us-gov, account \d+ to aws",
        ),
        ("regions: [us-east-1]\nexclude_regions: [us-*]", r"No region is left to look at"),
        ("concurrency: 100000", r"concurrency: Input should be less than or equal to 1000"),
        ("accounts: &a\n  - *a", r"accounts\.0: this must be keys and values|cannot be meant"),
        ("concurrency: !!bool abc", r"targets.yaml cannot be understood"),
        ("concurrency: many", r"concurrency: this must be a whole number \(line 1\)\."),
    ],
)
def test_each_mistake_is_refused_in_one_sentence_with_its_place_and_the_fix(
    content: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "targets.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=said) as refused:
        plan()
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_one_account_may_be_listed_twice_for_regions_of_their_own() -> None:
    accounts = [
        {"id": A, "role": role_arn(A, name), "regions": [r]} for name, r in (("e", "eu-west-1"), ("u", "us-east-1"))
    ]
    write_targets(accounts=accounts)
    assert [(t.region, t.roles[0].arn) for t in plan().targets] == [
        ("eu-west-1", role_arn(A, "e")),
        ("us-east-1", role_arn(A, "u")),
    ]


def test_the_example_shows_every_key_and_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_BUILDERS_TARGETS", str(ROOT / "targets.yaml.example"))
    settings = read_targets(settings_of(os.environ).file("targets"))
    text = (ROOT / "targets.yaml.example").read_text()
    for model in (TargetsFile, targets_file.AccountKeys, targets_file.OrganizationKeys, targets_file.Hop):
        for key in model.model_fields:
            assert re.search(rf"^[\s#-]*{key}:", text, re.MULTILINE), key
    assert settings.organization
    assert settings.accounts


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 100])
def test_shards_are_of_like_size_and_keep_accounts_together(shards: int) -> None:
    wanted = tuple(Target(f"{n:012d}", r, "aws") for n in range(9) for r in ("us-east-1", "eu-west-1", "eu-west-2"))
    parts = targets.split(wanted, shards)
    assert tuple(t for part in parts for t in part) == wanted
    assert len(parts) == min(shards, len(wanted))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    accounts = [{t.account_id for t in part} for part in parts]
    assert sum(map(len, accounts)) <= 9 + shards - 1 or shards > 9


@pytest.mark.parametrize("seconds", [0.02, None])
def test_an_endpoint_that_drips_or_is_silent_does_not_hold_the_plan(
    seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Dripping(seconds) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        with pytest.raises(CredentialsError, match=r"DeadlineExceeded: Planning what to look at may take 0 seconds"):
            targets.plan(Access(new_session()), deadline=0.4)


def test_a_program_that_fetches_credentials_does_not_hold_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\ncredential_process = sleep 8\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsError, match=r"AWS does not tell what there is to look at. Planning"):
        targets.plan(Access(new_session()), deadline=0.2)


def test_an_account_that_does_not_tell_its_regions_costs_itself(sandbox: Sandbox) -> None:
    sandbox.appstream.faults.append(Fault("trickle", service="ec2", value=0.2))
    planned = targets.plan(Access(new_session()), ["us-*"], deadline=1.0)
    assert {"us-east-1", "us-west-2"} <= {t.region for t in planned.targets}
    (remark,) = planned.remarks
    assert "DeadlineExceeded" in str(remark)
    assert "all are tried" in str(remark)
