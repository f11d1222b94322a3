"""The settings: declared once, read once, and every mistake in them one sentence."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.defs.process import working_directory
from pipeline.errors import ConfigurationError
from pipeline.settings import Environment
from pipeline.settings.environment import described, variable
from pipeline.settings.price_file import read_prices
from pipeline.settings.rules import read_rules
from pipeline.settings.targets_file import TargetsFile, read_targets
from pipeline.views.questions import questions
from pipeline.warehouse import Warehouse
from pipeline.windows import CADENCES

HERE = Path("/somewhere")


def test_without_variables_everything_has_its_default() -> None:
    settings = Environment.read({"PATH": "/bin", "IMAGE_BUILDERS_CADENCE": ""}, HERE)
    assert settings == Environment(folder=HERE)
    assert (settings.warehouse, settings.cadence, settings.tags, settings.shards) == (
        "/somewhere/warehouse",
        None,
        None,
        1,
    )
    assert settings.file("targets").path == HERE / "targets.yaml"


def test_cadences_are_those_of_windows() -> None:
    assert {Environment.read({"IMAGE_BUILDERS_CADENCE": name}, HERE).cadence for name in CADENCES} == set(CADENCES)


def test_a_webhook_is_a_secret_that_no_log_shows() -> None:
    secret = "https://hooks.example.com/services/T0/secret"
    settings = Environment.read({"IMAGE_BUILDERS_SLACK_WEBHOOK": secret, "IMAGE_BUILDERS_WEBHOOK": secret}, HERE)
    assert secret not in repr(settings)


def test_every_variable_is_described_with_its_default() -> None:
    assert {name for name, _, _ in described()} == {variable(name) for name in Environment.names()}
    assert all(meaning for _, meaning, _ in described())
    assert {name: default for name, _, default in described()}["IMAGE_BUILDERS_SCHEDULE"] == "off"


def test_paths_are_absolute_and_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    given = {"WAREHOUSE": "~/lake", "TARGETS": "~/t.yaml", "PRICES": "../p.csv", "FINDINGS": "/f.yaml"}
    settings = Environment.read({variable(name): value for name, value in given.items()}, HERE)
    assert settings.warehouse == "/home/me/lake"
    assert (settings.targets, settings.findings) == (Path("/home/me/t.yaml"), Path("/f.yaml"))
    assert settings.prices == HERE / "../p.csv"
    assert Environment.read({"IMAGE_BUILDERS_WAREHOUSE": "s3://b/p"}, None).warehouse == "s3://b/p"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"CADENCE": "weekly"}, "IMAGE_BUILDERS_CADENCE is 'weekly'; it is one of: daily, hourly."),
        ({"TAGS": "yes"}, "IMAGE_BUILDERS_TAGS is 'yes'; it is one of: on, off."),
        ({"SCHEDULE": "true"}, "IMAGE_BUILDERS_SCHEDULE is 'true'; it is one of: on, off."),
        ({"SHARDS": "1_0"}, "IMAGE_BUILDERS_SHARDS is '1_0'; it must be a whole number from 1."),
        ({"EXECUTOR": "k9s"}, "IMAGE_BUILDERS_EXECUTOR is 'k9s'; it is one of: in_process, multiprocess, celery, k8s."),
        (
            {"TARGETS": "~nobody-there/t.yaml"},
            "~nobody-there/t.yaml: there is no home folder of that name; give the full path.",
        ),
    ],
)
def test_a_value_that_is_not_valid_is_one_sentence(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Environment.read({variable(name): value for name, value in variables.items()}, HERE)
    assert str(error.value) == sentence


def test_a_working_directory_that_is_gone_is_told_where_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert working_directory() is None
    with pytest.raises(ConfigurationError, match="cannot be used, and IMAGE_BUILDERS_TARGETS is relative to it"):
        Environment.read({"IMAGE_BUILDERS_TARGETS": "t.yaml"}, working_directory())
    with pytest.raises(ConfigurationError, match=r"cannot be used .*, and the warehouse warehouse is relative to it"):
        Warehouse(Environment.read({}, working_directory()).warehouse)
    settings = Environment.read({"IMAGE_BUILDERS_WAREHOUSE": str(tmp_path)}, working_directory())
    assert read_targets(settings.file("targets")) == TargetsFile()


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A working directory that may not be entered, with a file of each kind in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    for name in ("targets.yaml", "findings.yaml", "prices.csv"):
        (folder / name).write_text("not: valid")
    before = Path.cwd()
    os.chdir(folder)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)
        os.chdir(before)


def test_default_files_that_cannot_be_looked_for_are_taken_as_absent(closed: Path) -> None:
    settings = Environment.read({}, closed)
    assert read_targets(settings.file("targets")) == TargetsFile()
    assert read_rules(settings.file("findings")) == read_rules()
    assert read_prices(settings.file("prices")) == ()
    assert questions(settings.file("questions")) == questions()


def test_a_file_that_is_named_and_cannot_be_read_is_named_by_its_full_path(closed: Path) -> None:
    settings = Environment.read({"IMAGE_BUILDERS_TARGETS": "targets.yaml"}, closed)
    with pytest.raises(ConfigurationError) as error:
        read_targets(settings.file("targets"))
    assert str(error.value) == f"{closed}/targets.yaml cannot be read: Permission denied."


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ASSET_OWNERS", "me", "me is neither an e-mail address nor team:NAME."),
        ("ASSET_TAGS", "domain", "domain= is no KEY=VALUE of letters, digits, _, . and -."),
        ("FIRST_WINDOW", "7", "it must be a day, 2026-11-25 for instance."),
        ("FAIL_UNSEEN", "yes", "it is one of: never, any, all."),
    ],
)
def test_what_a_variable_may_be_is_told(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="IMAGE_BUILDERS_") as error:
        Environment.read({f"IMAGE_BUILDERS_{name}": value}, HERE)
    assert str(error.value).endswith(said)
