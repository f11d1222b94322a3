"""An object store as the warehouse's place: moto's S3, over real HTTP."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import boto3
import pytest

from pipeline import views
from pipeline.contract import TABLES
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.warehouse import Warehouse, tend
from pipeline.warehouse.warehouse import _open_storage as open_storage
from tests.support import NOON, Looker, StartSandbox, builder


def test_a_warehouse_in_a_bucket_is_written_carried_forward_cleaned_and_read(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")], eu_west_1=[builder("b", "eu-west-1")])
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="lake")
    look = replace(look, warehouse=Warehouse("s3://lake/image-builders/"))
    look.warehouse.storage.check()
    look.publish("us-east-1", "eu-west-1")
    look.sandbox.appstream.faults.append(Fault("deny", region="us-east-1"))
    second = look.publish("us-east-1", "eu-west-1")
    keys = sorted(o["Key"] for o in s3.list_objects_v2(Bucket="lake")["Contents"] if o["Size"])
    assert keys == sorted(
        f"image-builders/{t.name}/snapshot_date=2026-11-23/{second.snapshot_id}.parquet" for t in TABLES
    )
    rows = views.query(look.warehouse, "select name, is_last_look_failed from image_builders_current order by name")
    assert rows.to_pylist() == [
        {"name": "a", "is_last_look_failed": True},
        {"name": "b", "is_last_look_failed": False},
    ]
    assert views.build(look.warehouse) == ""


def test_a_key_in_the_prefix_changes_no_value_and_nothing_is_joined(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")], eu_west_1=[builder("b", "eu-west-1")])
    boto3.client("s3").create_bucket(Bucket="lake")
    look = replace(look, warehouse=Warehouse("s3://lake/region=x/account_id=999/wh"))
    look.publish("us-east-1", "eu-west-1")
    rows = views.query(
        look.warehouse, "select region, account_id from image_builders_current order by region"
    ).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("eu-west-1", ACCOUNT), ("us-east-1", ACCOUNT)]
    before = look.warehouse.storage.list("")
    assert tend(look.warehouse, NOON + timedelta(days=99)) == []
    assert look.warehouse.storage.list("") == before


def test_a_bucket_that_is_not_there_is_told(start_sandbox: StartSandbox) -> None:
    start_sandbox()
    with pytest.raises(WarehouseError, match="The warehouse s3://gone/x cannot be written"):
        open_storage("s3://gone/x").check()


def test_other_places_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"The warehouse ftp://x is neither a folder nor an s3:// URI\."):
        open_storage("ftp://x")
