"""Targets, image builders and organizations for a sandbox to serve, and the settings to look at them with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from pipeline.aws import Access, new_session
from pipeline.sandbox.server import ACCOUNT, Sandbox
from pipeline.settings import Environment
from pipeline.settings.targets_file import read_targets
from pipeline.targets import Plan, Target, plan

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""A moment for clocks to stand at."""

StartSandbox = Callable[..., Sandbox]


def target(region: str = "us-east-1", account_id: str = ACCOUNT) -> Target:
    return Target(account_id, region, "aws")


def builder(name: str, region: str = "us-east-1", account_id: str = ACCOUNT, **members: Any) -> dict[str, Any]:
    """An image builder of the API with few members."""
    return {"Name": name, "Arn": target(region, account_id).arn(name), "State": "RUNNING", **members}


def write_targets(**keys: Any) -> None:
    """A targets.yaml in the working folder."""
    Path("targets.yaml").write_text(yaml.safe_dump(keys))


def role_arn(account_id: str, name: str = "reader", partition: str = "aws") -> str:
    return f"arn:{partition}:iam::{account_id}:role/{name}"


def settings_of(variables: Mapping[str, str] | None = None) -> Environment:
    """The settings of a process with these environment variables in the working directory."""
    return Environment.read(variables or {}, Path.cwd())


def plan_of(regions: Sequence[str] = ()) -> Plan:
    """The plan of a run in this process, with its environment and working directory."""
    settings = settings_of(os.environ)
    targets_file = read_targets(settings.file("targets"), settings.tags)
    return plan(Access(new_session()), regions, targets_file)


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


class OneEach:
    """A builder in each region of each account, named after the account."""

    def builders(self, account_id: str, region: str, at: datetime) -> list[dict[str, Any]]:
        return [builder(f"of-{account_id}", region, account_id)]

    def tags(self, account_id: str, region: str, at: datetime) -> dict[str, dict[str, str]]:
        return {}
