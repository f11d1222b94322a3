"""What the tests share: a sandbox on loopback, an environment of their own, a warehouse in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
import yaml

from pipeline.aws import sessions as aws
from pipeline.aws.credentials import Access
from pipeline.extract.listing import Selection
from pipeline.extract.look import Patience, Row
from pipeline.extract.sweep import Sweep
from pipeline.sandbox.estate import Estate, FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, Clock, Sandbox
from pipeline.targets.planning import Target
from pipeline.warehouse import warehouse
from pipeline.warehouse.warehouse import Extracted, Published, Warehouse
from pipeline.windows import Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""A moment for clocks to stand at."""

hypothesis.settings.register_profile("shared machine", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("shared machine")


def target(region: str = "us-east-1", account_id: str = ACCOUNT) -> Target:
    return Target(account_id, region, "aws")


def builder(name: str, region: str = "us-east-1", account_id: str = ACCOUNT, **members: Any) -> dict[str, Any]:
    """An image builder of the API with few members."""
    return {"Name": name, "Arn": target(region, account_id).arn(name), "State": "RUNNING", **members}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the machine's AWS settings, this project's, or another test's working folder."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "IMAGE_BUILDERS_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # botocore's pauses between attempts are not what is tested.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    # Nor is the pause for readers, but where there are some.
    monkeypatch.setattr(warehouse, "GRACE", 0.0)
    monkeypatch.chdir(tmp_path)


StartSandbox = Callable[..., Sandbox]


@pytest.fixture
def start_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartSandbox]:
    """Starts a sandbox and points boto3 at it."""
    with ExitStack() as stack:

        def start(estate: Estate | None = None, at: datetime | None = NOON, faults: Sequence[Fault] = ()) -> Sandbox:
            sandbox = stack.enter_context(Sandbox(estate, Clock(at), faults))
            # moto has one state a process.
            urllib.request.urlopen(urllib.request.Request(f"{sandbox.url}/moto-api/reset", method="POST")).close()
            for name, value in sandbox.environment.items():
                monkeypatch.setenv(name, value)
            return sandbox

        yield start


@dataclass
class Looker:
    """Looks at a sandbox's targets and publishes what was seen, as the job does, without Dagster."""

    sandbox: Sandbox
    warehouse: Warehouse
    cadence: str = "daily"
    patience: Patience = field(default_factory=lambda: Patience(1, 0))
    tags: bool = False

    def extract(self, *regions: str, **selection: Any) -> Extracted:
        access = Access(aws.new_session())
        sweep = Sweep(access, self.sandbox.clock.now, Selection(**selection), self.patience, 4, "run-1", tags=self.tags)
        with self.warehouse.stage("run-1-0") as (stream, sink):
            rows = sweep.run([target(r) for r in regions or ("us-east-1",)], sink)
        return Extracted(rows, stream)

    def look(self, *regions: str, **selection: Any) -> Row:
        """The `extracts` row of the first target."""
        return self.extract(*regions, **selection).rows[0]

    def publish(self, *regions: str, **selection: Any) -> Published:
        window = Window.at(self.cadence, self.sandbox.clock.now())
        return self.warehouse.publish(window, [self.extract(*regions, **selection)], self.sandbox.clock.now)


@pytest.fixture
def looker(start_sandbox: StartSandbox, tmp_path: Path) -> Callable[..., Looker]:
    """A looker at a sandbox with the given builders, by region."""

    def make(*builders: dict[str, Any], **by_region: Sequence[dict[str, Any]]) -> Looker:
        given = {r.replace("_", "-"): b for r, b in by_region.items()} or {"us-east-1": builders}
        estate = FixedEstate({(ACCOUNT, region): list(found) for region, found in given.items()})
        return Looker(start_sandbox(estate), Warehouse(str(tmp_path / "warehouse")))

    return make


def estate_of(looker: Looker) -> dict[tuple[str, str], Any]:
    """The builders of a looker's sandbox, to be changed."""
    estate = looker.sandbox.appstream.estate
    assert isinstance(estate, FixedEstate)
    return estate.by_target


def write_targets(**keys: Any) -> None:
    """A targets.yaml in the working folder."""
    Path("targets.yaml").write_text(yaml.safe_dump(keys))


def role_arn(account_id: str, name: str = "reader", partition: str = "aws") -> str:
    return f"arn:{partition}:iam::{account_id}:role/{name}"


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The sandbox's week that docs/questions.md tells of, made by the whole job. Tests read it and leave it alone."""
    folder = tmp_path_factory.mktemp("week")
    script = "import sys; from pipeline import answers; answers.fill(sys.argv[1])"
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "IMAGE_BUILDERS_", "DAGSTER_"))}
    command = [sys.executable, "-W", "ignore", "-c", script, str(folder / "warehouse")]
    subprocess.run(command, env=kept, cwd=folder, check=True, capture_output=True)
    return Warehouse(str(folder / "warehouse"))


@dataclass
class Organization:
    """An organization in a sandbox: the account that runs the job, and its members by name."""

    sandbox: Sandbox
    root: str
    client: Any
    units: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)

    def unit(self, name: str, parent: str | None = None) -> str:
        """Makes an organizational unit."""
        made = self.client.create_organizational_unit(ParentId=parent or self.root, Name=name)
        self.units[name] = str(made["OrganizationalUnit"]["Id"])
        return self.units[name]

    def member(self, name: str, unit: str | None = None) -> str:
        """Makes an account."""
        made = self.client.create_account(AccountName=name, Email=f"{name}@example.com")
        self.members[name] = account_id = str(made["CreateAccountStatus"]["AccountId"])
        if unit:
            self.client.move_account(AccountId=account_id, SourceParentId=self.root, DestinationParentId=unit)
        return account_id


@pytest.fixture
def organization(start_sandbox: StartSandbox) -> Organization:
    """An organization without members, whose accounts have a builder in every region they are asked for."""
    sandbox = start_sandbox(OneEach())
    client = boto3.client("organizations")
    client.create_organization(FeatureSet="ALL")
    return Organization(sandbox, client.list_roots()["Roots"][0]["Id"], client)


class OneEach:
    """A builder in each region of each account, named after the account."""

    def builders(self, account_id: str, region: str, at: datetime) -> list[dict[str, Any]]:
        return [builder(f"of-{account_id}", region, account_id)]

    def tags(self, account_id: str, region: str, at: datetime) -> dict[str, dict[str, str]]:
        return {}
