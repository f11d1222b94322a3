"""The sandbox: what a caller of the real service would expect of it."""

import contextlib
import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import boto3
import botocore.exceptions
import pytest

from pipeline.aws import bounds, replies, service_model
from pipeline.sandbox.estate import FixedEstate, SeededEstate
from pipeline.sandbox.faults import KINDS, Fault
from pipeline.sandbox.server import ACCOUNT, Sandbox
from tests.support import NOON, StartSandbox, builder

WEEK = [NOON + timedelta(hours=h) for h in range(0, 7 * 24, 6)]


def control(sandbox: Sandbox, change: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if change is None else json.dumps(change).encode()
    with urllib.request.urlopen(f"{sandbox.url}/_sandbox", data) as reply:
        state: dict[str, Any] = json.load(reply)
    return state


def test_every_builder_of_the_estate_is_valid_by_the_service_model(start_sandbox: StartSandbox) -> None:
    """Parsed by botocore, nothing is dropped: each member is one that the model knows, of its type."""
    start_sandbox(SeededEstate(NOON, per_target=60))
    replies = boto3.client("appstream").get_paginator("describe_image_builders").paginate().build_full_result()
    told = [b | {"CreatedTime": b["CreatedTime"].timestamp()} for b in replies["ImageBuilders"]]
    sent = SeededEstate(NOON, per_target=60).builders(ACCOUNT, "us-east-1", NOON)
    assert len(told) > 40
    assert [b["Arn"] for b in told] == [b["Arn"] for b in sent]
    for ours, theirs in zip(sent, told, strict=True):
        assert set(theirs) == set(ours)
    assert {b["State"] for b in sent} <= set(service_model.enums()["State"])
    assert {b["Platform"] for b in sent} <= set(service_model.enums()["Platform"])


def test_the_estate_lives(start_sandbox: StartSandbox) -> None:
    estate = SeededEstate(NOON, per_target=40)
    weeks = [{b["Arn"]: b["State"] for b in estate.builders(ACCOUNT, "us-east-1", at)} for at in WEEK]
    first, last = weeks[0], weeks[-1]
    assert set(first) - set(last), "some went"
    assert set(last) - set(first), "some came"
    assert {"RUNNING", "STOPPED", "FAILED"} <= set(last.values())
    changed = [arn for arn in set(first) & set(last) if len({w[arn] for w in weeks}) > 1]
    assert changed, "some were started or stopped"
    assert weeks == [{b["Arn"]: b["State"] for b in estate.builders(ACCOUNT, "us-east-1", at)} for at in WEEK]
    other = {b["Arn"] for b in estate.builders("111122223333", "eu-west-1", NOON)}
    assert not other & set(first)


def test_it_pages_by_opaque_tokens_and_narrows_by_names(start_sandbox: StartSandbox) -> None:
    start_sandbox(FixedEstate({(ACCOUNT, "us-east-1"): [builder(n) for n in "abc"]}))
    client = boto3.client("appstream")
    page = client.describe_image_builders(MaxResults=2)
    assert [b["Name"] for b in page["ImageBuilders"]] == ["a", "b"]
    rest = client.describe_image_builders(MaxResults=2, NextToken=page["NextToken"])
    assert [b["Name"] for b in rest["ImageBuilders"]] == ["c"]
    assert "NextToken" not in rest
    assert [b["Name"] for b in client.describe_image_builders(Names=["c", "a"])["ImageBuilders"]] == ["c", "a"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Names": ["nobody"]}, "ResourceNotFoundException"),
        ({"NextToken": "???"}, "InvalidParameterCombinationException"),
        ({"MaxResults": 100_000}, "InvalidParameterCombinationException"),
    ],
)
def test_it_refuses_as_the_service_does(parameters: dict[str, Any], code: str, start_sandbox: StartSandbox) -> None:
    start_sandbox()
    with pytest.raises(botocore.exceptions.ClientError) as told:
        boto3.client("appstream").describe_image_builders(**parameters)
    assert told.value.response["Error"]["Code"] == code


def test_an_operation_it_does_not_have_is_an_error(start_sandbox: StartSandbox) -> None:
    start_sandbox()
    with pytest.raises(botocore.exceptions.ClientError, match="knows DescribeImageBuilders only"):
        boto3.client("appstream").describe_fleets()


def test_moto_answers_the_rest_on_the_same_port(start_sandbox: StartSandbox) -> None:
    start_sandbox()
    assert boto3.client("sts").get_caller_identity()["Account"] == ACCOUNT
    assert len(boto3.client("ec2").describe_regions()["Regions"]) > 10
    boto3.client("organizations").create_organization(FeatureSet="ALL")
    boto3.client("s3").create_bucket(Bucket="bucket")
    assert [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]] == ["bucket"]


def test_a_role_that_was_assumed_is_of_its_own_account(start_sandbox: StartSandbox) -> None:
    estate = FixedEstate({("111122223333", "us-east-1"): [builder("theirs", account_id="111122223333")]})
    start_sandbox(estate)
    role = "arn:aws:iam::111122223333:role/reader"
    keys = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    client = boto3.client(
        "appstream",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert [b["Name"] for b in client.describe_image_builders()["ImageBuilders"]] == ["theirs"]
    assert boto3.client("appstream").describe_image_builders()["ImageBuilders"] == []


def test_clock_and_faults_are_changed_over_http(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(at=None)
    control(sandbox, {"now": NOON.isoformat()})
    assert control(sandbox, {"advance_seconds": 60})["now"] == "2026-11-23T12:01:00+00:00"
    control(sandbox, {"faults": [{"kind": "deny", "region": "eu-*", "times": 1}]})
    assert boto3.client("appstream").describe_image_builders()
    abroad = boto3.client("appstream", region_name="eu-west-1")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDeniedException"):
        abroad.describe_image_builders()
    assert abroad.describe_image_builders()
    assert control(sandbox)["calls"] == 3


@pytest.mark.parametrize("change", [{"faults": [{"kind": "flood"}]}, {"weather": "bad"}, {"now": "soon"}])
def test_a_change_that_cannot_be_is_refused(change: dict[str, Any], start_sandbox: StartSandbox) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        control(start_sandbox(), change)


def test_faults_strike_where_and_as_often_as_they_say() -> None:
    fault = Fault("deny", account="1*", region="eu-*", page=2, times=1)
    assert not fault.strikes("2", "eu-west-1", 2)
    assert not fault.strikes("1", "us-east-1", 2)
    assert not fault.strikes("1", "eu-west-1", 1)
    assert fault.strikes("1", "eu-west-1", 2)
    assert not fault.strikes("1", "eu-west-1", 2)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_can_be_asked_for(kind: str, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(faults=[Fault(kind, times=1)])
    with contextlib.suppress(Exception), bounds.within(2.0, "asking"):  # Some replies have no end.
        replies.bound(boto3.client("appstream")).describe_image_builders()
    assert sandbox.appstream.faults[0].struck == 1
