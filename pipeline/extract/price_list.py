"""AWS's price list: what image builders cost, as rows of `instance_prices`.

It is the same for every account and seldom changes. The user's own prices are `settings.price_file`'s subject.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import botocore.loaders
import pyarrow as pa

from pipeline.aws import bounds, failures, sessions, threads
from pipeline.contract import PRICES
from pipeline.errors import ConfigurationError, PricesError
from pipeline.settings.operating_systems import ANY, operating_system
from pipeline.settings.price_file import UNITS, VOLUME

SERVICE = "AmazonAppStream"
ENDPOINTS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}
"""Regions that serve the Price List API (AWS Price List API reference, endpoints)."""

_USAGE = re.compile(
    r"(?:[A-Z]{2,4}\d?-)?(?P<instance_type>\w+\.\w[\w.-]*?)(?P<byol>-byol)?-(?P<function>ib|fl)", re.IGNORECASE
)
"""The type of usage of an instance: APS2-stream.standard.large-ib is an image builder in Sydney, -fl a fleet."""

_HOURLY, _MONTHLY = "Streaming Instance", "Storage"
_NOT_OURS = ("User Fees",)


@dataclass(frozen=True)
class Unplaced:
    """A product of the list that is an image builder's, and why it is in no row."""

    sku: str
    family: str
    usage: str
    why: str


@dataclass(frozen=True)
class PriceList:
    """What AWS lists for image builders: rows of `instance_prices`, and what could not be placed among them."""

    rows: pa.Table
    unplaced: tuple[Unplaced, ...]


class _UnplacedError(Exception):
    """Why a product is no row."""


def fetch_prices(session: boto3.Session, now: datetime, deadline: float = bounds.DEADLINE) -> PriceList:
    """The price list of image builders.

    Raises PricesError when AWS does not answer within `deadline` seconds, or lists no price of an image builder.
    """
    try:
        return threads.call_within(deadline, "asking for the price list", lambda: _fetch(session, now))
    except bounds.BoundError as error:
        raise _not_told(error) from None


def _fetch(session: boto3.Session, now: datetime) -> PriceList:
    snapshot_id = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
    partition = sessions.partition_of(session, session.region_name or "us-east-1")
    distinct: dict[tuple[str, ...], dict[str, Any]] = {}
    unplaced = []
    try:
        client = sessions.client(session, "pricing", ENDPOINTS.get(partition, "us-east-1"))
        for listed in _products(client):
            try:
                for row in _prices(listed):
                    key = (row["region"], row["instance_type"], row["operating_system"], row["sku"])
                    distinct[key] = {"snapshot_id": snapshot_id, "observed_at": now} | row
            except _UnplacedError as why:
                unplaced.append(_unplaced(listed["product"], str(why)))
    except ConfigurationError:
        raise
    except Exception as error:
        raise _not_told(error) from error
    if not any(row["unit"] == "hour" for row in distinct.values()):
        raise PricesError(
            f"AWS's price list of {SERVICE} has no price of an image builder; give prices of your own in prices.csv."
        )
    rows = pa.Table.from_pylist([distinct[key] for key in sorted(distinct)], schema=PRICES.schema)
    return PriceList(rows, tuple(sorted(unplaced, key=lambda product: product.sku)))


def _not_told(error: Exception) -> PricesError:
    failure = failures.describe(error)
    return PricesError(
        f"AWS does not tell its prices ({failure.code}: {failure.message.rstrip('.')}): allow pricing:GetProducts, "
        "or give prices of your own in prices.csv."
    )


def _products(client: Any) -> Iterator[dict[str, Any]]:
    # All of them: some of image builders' have none of the attributes that a filter could ask for.
    for page in bounds.pages_of(client.get_paginator("get_products").paginate(ServiceCode=SERVICE)):
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


def _is_image_builders(family: str, attributes: dict[str, str]) -> bool:
    """Whether a product is one of image builders; where it does not say so, its type of usage does."""
    if family in _NOT_OURS:
        return False
    if function := attributes.get("instanceFunction"):
        return function == "ImageBuilder"
    return attributes.get("usagetype", "").lower().endswith("-ib")


def _prices(listed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The on-demand prices of a listed product; none of one that is not an image builder's.

    Raises _UnplacedError for one that is, and does not say of what place or type it is, or has no price in dollars.
    """
    product = listed["product"]
    family, attributes = product.get("productFamily", ""), product.get("attributes", {})
    if not _is_image_builders(family, attributes):
        return
    if family not in (_HOURLY, _MONTHLY):
        raise _UnplacedError(f"the family '{family}' is neither {_HOURLY} nor {_MONTHLY}")
    place = attributes.get("location", "")
    region = attributes.get("regionCode") or _regions_by_location().get(_location(place))
    if not region:
        raise _UnplacedError(f"it has no region code, and no region is called '{place}'")
    is_instance = family == _HOURLY
    usage = _USAGE.fullmatch(attributes.get("usagetype", ""))
    instance_type = attributes.get("instanceType") or (usage["instance_type"] if usage else "")
    if is_instance and not instance_type:
        raise _UnplacedError("it names no instance type")
    found = False
    for term in listed.get("terms", {}).get("OnDemand", {}).values():
        for price in term["priceDimensions"].values():
            unit, usd = UNITS.get(price["unit"].lower()), price["pricePerUnit"].get("USD")
            if usd is None or unit != ("hour" if is_instance else "gb-month"):
                continue
            found = True
            yield {
                "region": region,
                "instance_type": _instance_type(instance_type) if is_instance else VOLUME,
                "operating_system": _system(attributes, usage) if is_instance else ANY,
                "unit": unit,
                "usd": float(usd),
                "sku": product["sku"],
                "effective_date": datetime.fromisoformat(term["effectiveDate"]) if term.get("effectiveDate") else None,
            }
    if not found:
        raise _UnplacedError(f"it has no on-demand price in US dollars by the {'hour' if is_instance else 'GB-month'}")


def _system(attributes: dict[str, str], usage: re.Match[str] | None) -> str:
    is_byol = operating_system(attributes.get("osLicenseModel", "")) == "BYOL" or bool(usage and usage["byol"])
    return "BYOL" if is_byol else operating_system(attributes.get("operatingSystem", ""))


def _unplaced(product: dict[str, Any], why: str) -> Unplaced:
    usage = product.get("attributes", {}).get("usagetype", "")
    return Unplaced(str(product.get("sku", "")), str(product.get("productFamily", "")), usage, why)
