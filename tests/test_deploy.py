"""What deploy/ allows, held against what a whole run over an organization calls."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline.sandbox.server import ACCOUNT
from tests.support import Organization, role_arn, write_targets
from tests.support.command import image_builders

DEPLOY = Path(__file__).parent.parent / "deploy"

HARMLESS = {"sts:GetCallerIdentity"}
"""Needs no permission (STS API reference, GetCallerIdentity)."""


def policy(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DEPLOY / name).read_text())
    return read


def actions(document: dict[str, Any]) -> set[str]:
    return {
        action
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


@pytest.fixture
def calls(organization: Organization, tmp_path: Path) -> tuple[set[str], set[str]]:
    """What the hub calls, and what is called as a member, in runs that do all there is to do."""
    sandbox = organization.sandbox
    unit = organization.unit("teams")
    organization.member("cad", unit)
    organization.member("gis", organization.unit("tests", unit))
    boto3.client("s3").create_bucket(Bucket="lake")
    sandbox.front.log.clear()
    environ = {"IMAGE_BUILDERS_WAREHOUSE": "s3://lake/image-builders", "IMAGE_BUILDERS_TAGS": "on"}
    done = image_builders("prices", **environ)
    assert done.returncode == 0, done.stderr
    # Where the tagging API is denied, AppStream itself is asked.
    sandbox.services.refused = {"GetResources"}
    for keys in ({}, {"include_ous": [unit]}):
        write_targets(
            # Of all regions, a few are enough to call all that there is to call.
            regions="all",
            exclude_regions=["af-*", "ap-*", "ca-*", "eu-*", "il-*", "me-*", "mx-*", "sa-*"],
            organization={"role_name": "image-builders-reader", "external_id": "warehouse"} | keys,
        )
        for command in ("doctor", "snapshot"):
            done = image_builders(command, **environ)
            assert done.returncode == 0, done.stderr
    # A part of the warehouse that is large is uploaded in pieces, which S3 counts as PutObject.
    asked = [(c.account_id, c.action) for c in sandbox.front.log]
    asked += [(c.account_id, "appstream:DescribeImageBuilders") for c in sandbox.appstream.calls]
    hub = {action for account_id, action in asked if account_id == ACCOUNT}
    return hub - HARMLESS, {action for account_id, action in asked if account_id != ACCOUNT} - HARMLESS


@pytest.mark.slow
def test_the_policies_allow_what_is_called_and_nothing_else(calls: tuple[set[str], set[str]]) -> None:
    hub, member = calls
    assert actions(policy("member-policy.json")) == member
    # An upload that fails halfway is aborted; none did here.
    assert actions(policy("hub-policy.json")) == hub | {"s3:AbortMultipartUpload", "s3:GetLifecycleConfiguration"}


def test_the_documents_have_the_policy_of_one_account() -> None:
    text = (DEPLOY.parent / "docs" / "deploy.md").read_text()
    shown = json.loads(text.split("```json\n")[1].split("```")[0])
    assert actions(shown) == {"appstream:DescribeImageBuilders"}


def test_the_stack_makes_the_role_of_the_plain_policies(organization: Organization) -> None:
    """CloudFormation itself, as moto has it, reads the template."""
    hub, external_id = role_arn(ACCOUNT, "image-builders"), "warehouse"
    given = {"HubRoleArn": hub, "ExternalId": external_id}
    boto3.client("cloudformation").create_stack(
        StackName="reader",
        TemplateBody=(DEPLOY / "member-role.yaml").read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )
    iam = boto3.client("iam")
    role = iam.get_role(RoleName="image-builders-reader")["Role"]
    (name,) = iam.list_role_policies(RoleName="image-builders-reader")["PolicyNames"]
    told = iam.get_role_policy(RoleName="image-builders-reader", PolicyName=name)["PolicyDocument"]
    # moto (5.2) gives back what CloudFormation read as Python writes it.
    assert told == str(policy("member-policy.json"))
    assert role["AssumeRolePolicyDocument"] in (policy("member-trust.json"), str(policy("member-trust.json")))
    assert policy("member-trust.json")["Statement"][0]["Principal"] == {"AWS": hub}


def test_the_roles_of_the_files_are_of_one_name() -> None:
    default = "image-builders-reader"
    assert f"Default: {default}" in (DEPLOY / "member-role.yaml").read_text()
    assert policy("hub-policy.json")["Statement"][0]["Resource"] == f"arn:aws:iam::*:role/{default}"
    assert f"role_name: {default}" in (DEPLOY.parent / "targets.yaml.example").read_text()
