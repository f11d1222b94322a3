"""Which targets there are, and what is said of settings that cannot be."""

from pathlib import Path

import pytest

from pipeline import aws, targets, targets_file
from pipeline.credentials import Access
from pipeline.errors import ConfigurationError, CredentialsError
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.targets import Plan
from pipeline.targets_file import TargetsFile
from tests.conftest import StartSandbox, builder, target


@pytest.fixture(autouse=True)
def sandbox(start_sandbox: StartSandbox) -> None:
    start_sandbox()


def plan(*regions: str) -> Plan:
    return targets.plan(Access(aws.new_session()), regions)


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
    assert targets_file.read_file() == TargetsFile()
    monkeypatch.setenv("IMAGE_BUILDERS_TARGETS", "gone.yaml")
    with pytest.raises(ConfigurationError, match=r"IMAGE_BUILDERS_TARGETS names gone.yaml, which does not exist\."):
        targets_file.read_file()


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
