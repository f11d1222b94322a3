"""AWS's price list: what image builders cost, as rows of `instance_prices`.

It is the same for every account and seldom changes. The user's own prices are `settings.price_file`'s subject.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import botocore.loaders
import pyarrow as pa

from pipeline.aws import failures, sessions
from pipeline.contract import PRICES
from pipeline.errors import ConfigurationError, PricesError
from pipeline.settings.operating_systems import ANY, operating_system
from pipeline.settings.price_file import UNITS, VOLUME

SERVICE = "AmazonAppStream"
ENDPOINTS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}
"""Regions that serve the Price List API (AWS Price List API reference, endpoints)."""

_FILTERS = (
    {"productFamily": "Streaming Instance", "instanceFunction": "ImageBuilder"},
    {"productFamily": "Storage", "instanceFunction": "ImageBuilder"},
)


def fetch_prices(session: boto3.Session, now: datetime) -> pa.Table:
    """The price list of image builders, as rows of `instance_prices`.

    Raises PricesError when AWS does not answer, or lists no price of an image builder.
    """
    snapshot_id = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
    partition = sessions.partition_of(session, session.region_name or "us-east-1")
    try:
        client = sessions.client(session, "pricing", ENDPOINTS.get(partition, "us-east-1"))
        rows = [
            {"snapshot_id": snapshot_id, "observed_at": now} | row
            for filters in _FILTERS
            for product in _products(client, filters)
            for row in _prices(product)
        ]
    except ConfigurationError:
        raise
    except Exception as error:
        failure = failures.describe(error)
        raise PricesError(
            f"AWS does not tell its prices ({failure.code}: {failure.message.rstrip('.')}): allow pricing:GetProducts, "
            "or give prices of your own in prices.csv."
        ) from error
    distinct = {(r["region"], r["instance_type"], r["operating_system"], r["sku"]): r for r in rows}
    if not any(row["unit"] == "hour" for row in distinct.values()):
        raise PricesError(
            f"AWS's price list of {SERVICE} has no price of an image builder; give prices of your own in prices.csv."
        )
    return pa.Table.from_pylist([distinct[key] for key in sorted(distinct)], schema=PRICES.schema)


def _products(client: Any, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
    wanted = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()]
    for page in client.get_paginator("get_products").paginate(ServiceCode=SERVICE, Filters=wanted):
        for text in page["PriceList"]:
            yield json.loads(text)


def _instance_type(listed: str) -> str:
    """AppStream's word for an instance type: the list has Accelerated.g6e.xlarge for stream.accelerated.g6e.xlarge."""
    name = listed.lower()
    return name if name.startswith("stream.") else f"stream.{name}"


def _location(text: str) -> str:
    """A place as botocore's endpoints describe it: the price list says EU where they say Europe."""
    return f"Europe {text.removeprefix('EU ')}" if text.startswith("EU ") else text


@cache
def _regions_by_location() -> dict[str, str]:
    """The codes of regions by what botocore's endpoints call them, Europe (Frankfurt) for instance."""
    partitions = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    return {about["description"]: code for part in partitions for code, about in part["regions"].items()}


def _prices(listed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The on-demand prices of a listed product, if it is an image builder's: the filters let others through."""
    product = listed["product"]
    attributes = product.get("attributes", {})
    region = attributes.get("regionCode") or _regions_by_location().get(_location(attributes.get("location", "")))
    if attributes.get("instanceFunction") != "ImageBuilder" or not region:
        return
    is_instance = product.get("productFamily") == "Streaming Instance" and attributes.get("instanceType")
    for term in listed.get("terms", {}).get("OnDemand", {}).values():
        for price in term["priceDimensions"].values():
            unit = UNITS.get(price["unit"].lower())
            usd = price["pricePerUnit"].get("USD")
            if usd is None or unit != ("hour" if is_instance else "gb-month"):
                continue
            license_model = attributes.get("osLicenseModel", "")
            system = "BYOL" if operating_system(license_model) == "BYOL" else attributes.get("operatingSystem", "")
            yield {
                "region": region,
                "instance_type": _instance_type(attributes["instanceType"]) if is_instance else VOLUME,
                "operating_system": operating_system(system) if is_instance else ANY,
                "unit": unit,
                "usd": float(usd),
                "sku": product["sku"],
                "effective_date": datetime.fromisoformat(term["effectiveDate"]) if term.get("effectiveDate") else None,
            }
