"""What deploy/ allows, held against what a whole run over an organization calls."""

import ast
import json
from pathlib import Path
from typing import Any

import boto3
import cfnlint.api
import pytest

from pipeline.sandbox.server import ACCOUNT
from tests.support import Organization, role_arn, write_targets
from tests.support.command import image_builders
from tests.support.iam import is_allowed

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
    tags = actions(policy("tags-policy.json"))
    assert actions(policy("member-policy.json")) | tags == member
    # An upload that fails halfway is aborted; none did here.
    unseen = {"s3:AbortMultipartUpload", "s3:GetLifecycleConfiguration"}
    assert actions(policy("hub-policy.json")) | tags == hub | unseen
    # A simulation: each call by what it is made on, in this organization.
    policies = [policy("hub-policy.json"), policy("tags-policy.json")]
    for action in hub:
        assert is_allowed(policies, action, RESOURCES.get(action, "*"), OURS), action
        if action not in tags:
            assert is_allowed(policies[:1], action, RESOURCES.get(action, "*"), OURS), action


RESOURCES = {
    "sts:AssumeRole": "arn:aws:iam::111122223333:role/image-builders-reader",
    "s3:ListBucket": "arn:aws:s3:::my-warehouse",
    "s3:GetLifecycleConfiguration": "arn:aws:s3:::my-warehouse",
    **{f"s3:{verb}Object": "arn:aws:s3:::my-warehouse/image-builders/x" for verb in ("Get", "Put", "Delete")},
}
"""What a call is made on, where a policy can tell (Service Authorization Reference)."""

OURS = {"aws:ResourceOrgID": "o-ours", "aws:PrincipalOrgID": "o-ours"}


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("sts:AssumeRole", RESOURCES["sts:AssumeRole"], OURS | {"aws:ResourceOrgID": "o-others"}),
        ("sts:AssumeRole", RESOURCES["sts:AssumeRole"], {}),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/admin", OURS),
        ("s3:PutObject", "arn:aws:s3:::other/x", OURS),
        ("s3:ListBucket", "arn:aws:s3:::other", OURS),
        ("appstream:DeleteImageBuilder", "*", OURS),
        ("tag:GetResources", "*", OURS),
        ("iam:PassRole", "*", OURS),
    ],
)
def test_the_hub_may_do_nothing_beside(action: str, resource: str, context: dict[str, str]) -> None:
    assert not is_allowed([policy("hub-policy.json")], action, resource, context)


@pytest.mark.parametrize("name", ["member-role.yaml", "hub-policy.yaml"])
def test_cfn_lint_finds_nothing_in_the_templates(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert [found for found in cfnlint.api.lint_all(text) if not found.rule.id.startswith("I")] == []
    assert "arn:aws:" not in text


@pytest.mark.parametrize("tags", ["on", "off"])
def test_the_stack_makes_the_policy_of_the_hub(tags: str, organization: Organization) -> None:
    stack("hub", "hub-policy.yaml", Bucket="my-warehouse", Tags=tags)
    iam = boto3.client("iam")
    told = []
    for made in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId=made["DefaultVersionId"])["PolicyVersion"]
        told += document(version["Document"])["Statement"]
    more = policy("tags-policy.json")["Statement"] if tags == "on" else []
    assert told == policy("hub-policy.json")["Statement"] + more


def document(told: Any) -> dict[str, Any]:
    """A policy; moto (5.2) gives back what CloudFormation read as Python writes it."""
    read: dict[str, Any] = told if isinstance(told, dict) else ast.literal_eval(told)
    return read


def stack(name: str, template: str, **given: str) -> None:
    """CloudFormation itself, as moto has it, reads the template."""
    boto3.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=(DEPLOY / template).read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )


def test_the_documents_have_the_policy_of_one_account() -> None:
    text = (DEPLOY.parent / "docs" / "deploy.md").read_text()
    shown = json.loads(text.split("```json\n")[1].split("```")[0])
    assert actions(shown) == {"appstream:DescribeImageBuilders"}


@pytest.mark.parametrize("tags", ["on", "off"])
def test_the_stack_makes_the_role_of_the_plain_policies(tags: str, organization: Organization) -> None:
    hub, external_id = role_arn(ACCOUNT, "image-builders"), "warehouse"
    stack("reader", "member-role.yaml", HubRoleArn=hub, ExternalId=external_id, Tags=tags)
    iam = boto3.client("iam")
    role = iam.get_role(RoleName="image-builders-reader")["Role"]
    told = []
    for name in iam.list_role_policies(RoleName="image-builders-reader")["PolicyNames"]:
        found = iam.get_role_policy(RoleName="image-builders-reader", PolicyName=name)["PolicyDocument"]
        told += document(found)["Statement"]
    more = policy("tags-policy.json")["Statement"] if tags == "on" else []
    assert told == policy("member-policy.json")["Statement"] + more
    assert role["AssumeRolePolicyDocument"] in (policy("member-trust.json"), str(policy("member-trust.json")))
    assert policy("member-trust.json")["Statement"][0]["Principal"] == {"AWS": hub}


def test_the_roles_of_the_files_are_of_one_name() -> None:
    default = "image-builders-reader"
    assert f"Default: {default}" in (DEPLOY / "member-role.yaml").read_text()
    assert policy("hub-policy.json")["Statement"][0]["Resource"] == f"arn:aws:iam::*:role/{default}"
    assert f"role_name: {default}" in (DEPLOY.parent / "targets.yaml.example").read_text()
