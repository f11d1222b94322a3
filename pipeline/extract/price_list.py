"""What AWS charges for image builders: its price list, and a price file of the user's own.

The price list is the same for everybody and changes seldom, so it is asked for seldom, and each answer is kept as a
snapshot of its own in the warehouse.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.aws import failures
from pipeline.aws import sessions as aws
from pipeline.contract import HIVE_KEY, PRICES
from pipeline.errors import ConfigurationError, PricesError
from pipeline.warehouse.storage import told
from pipeline.warehouse.warehouse import Warehouse

SERVICE = "AmazonAppStream"
ENDPOINTS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}
"""Regions that serve the Price List API (AWS Price List API reference, endpoints)."""

VOLUME = "root-volume"
"""What stands for an instance type where the price is that of a GB of root volume."""

ANY = "*"
DEFAULT_FILE = "prices.csv"

_OPTIONAL = ("region", "operating_system", "unit")
_COLUMNS = ("instance_type", "usd", *_OPTIONAL)
_UNITS = {"hour": "hour", "hrs": "hour", "hours": "hour", "gb-month": "gb-month", "gb-mo": "gb-month"}
_SYSTEMS = (
    (r"byol|bring your own|windows[ _]1[01]", "BYOL"),
    (r"windows", "Windows"),
    (r"amazon[ _]?linux", "Amazon Linux"),
    (r"rhel|red ?hat", "RHEL"),
    (r"rocky", "Rocky Linux"),
    (r"ubuntu", "Ubuntu Pro"),
)


@dataclass(frozen=True)
class FilePrice:
    """A price of the user's own file. `*` stands for any region, instance type or operating system."""

    region: str
    instance_type: str
    operating_system: str
    unit: str
    usd: float


def operating_system(text: str) -> str:
    """What prices call an operating system, from AWS's word in price lists or in AppStream's API, or the user's."""
    return next((name for pattern, name in _SYSTEMS if re.search(pattern, text, re.IGNORECASE)), text or ANY)


def fetch(session: boto3.Session, now: datetime) -> pa.Table:
    """The price list of image builders, as rows of `instance_prices`.

    Raises PricesError when AWS does not tell, or tells no price of an image builder.
    """
    snapshot_id = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
    partition = aws.partition_of(session, session.region_name or "us-east-1")
    try:
        client = aws.client(session, "pricing", ENDPOINTS.get(partition, "us-east-1"))
        rows = [
            {"snapshot_id": snapshot_id, "observed_at": now} | row
            for filters in (
                {"productFamily": "Streaming Instance", "instanceFunction": "ImageBuilder"},
                {"productFamily": "Storage", "instanceFunction": "ImageBuilder"},
            )
            for product in _products(client, filters)
            for row in _prices(product)
        ]
    except ConfigurationError:
        raise
    except Exception as error:
        failure = failures.describe(error)
        raise PricesError(
            f"AWS does not tell its prices ({failure.code}: {failure.message.rstrip('.')}): allow pricing:GetProducts, "
            f"or give prices of your own in {DEFAULT_FILE}."
        ) from error
    distinct = {(r["region"], r["instance_type"], r["operating_system"], r["sku"]): r for r in rows}
    if not any(row["unit"] == "hour" for row in distinct.values()):
        raise PricesError(
            f"AWS's price list of {SERVICE} has no price of an image builder; give prices of your own in "
            f"{DEFAULT_FILE}."
        )
    return pa.Table.from_pylist([distinct[key] for key in sorted(distinct)], schema=PRICES.schema)


def keep(warehouse: Warehouse, prices: pa.Table) -> str:
    """Adds a price snapshot to the warehouse, whole or not at all; returns its path. Raises WarehouseError."""
    snapshot_id = prices["snapshot_id"][0].as_py()
    date = datetime.strptime(snapshot_id[:8], "%Y%m%d").strftime("%Y-%m-%d")
    path = f"{PRICES.name}/{HIVE_KEY}={date}/{snapshot_id}.parquet"
    storage = warehouse.storage
    with storage.lock(), told("written", storage.location):
        file = storage.create(path)
        pq.write_table(prices, file.sink, compression="zstd")
        file.commit()
    return path


def read_file(environ: Mapping[str, str] = os.environ) -> tuple[FilePrice, ...]:
    """The prices of the file that IMAGE_BUILDERS_PRICES names, else of prices.csv if it is there, else none.

    Raises ConfigurationError with the line and the fix.
    """
    named = environ.get("IMAGE_BUILDERS_PRICES")
    path = Path(named or DEFAULT_FILE)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"IMAGE_BUILDERS_PRICES names {named}, which does not exist.") from None
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    if missing := {"instance_type", "usd"} - set(header):
        raise ConfigurationError(
            f"{path}: the column {min(missing)} is missing; the columns are {', '.join(_COLUMNS)}."
        )
    if unknown := [name for name in header if name not in _COLUMNS]:
        raise ConfigurationError(f"{path}: there is no column {unknown[0]}; the columns are {', '.join(_COLUMNS)}.")
    if twice := [name for name in header if header.count(name) > 1]:
        raise ConfigurationError(f"{path}: the column {twice[0]} comes twice; leave one of them out.")
    found: dict[tuple[str, str, str], FilePrice] = {}
    for row in reader:
        price = _file_price(f"{path}: line {reader.line_num}", row)
        key = (price.region, price.instance_type, price.operating_system)
        if key in found:
            raise ConfigurationError(
                f"{path}: line {reader.line_num}: {', '.join(key)} has a price already; leave one of them out."
            )
        found[key] = price
    return tuple(found.values())


def _file_price(where: str, row: dict[str | None, Any]) -> FilePrice:
    if None in row or None in row.values():
        raise ConfigurationError(f"{where}: it has another number of fields than the header; are commas in quotes?")
    told = {str(name): str(value).strip() for name, value in row.items()}
    try:
        usd = -1.0 if "_" in told["usd"] else float(told["usd"])  # Python alone reads 1_0 as a number.
    except ValueError:
        usd = -1.0
    if not 0 <= usd < float("inf"):
        raise ConfigurationError(
            f"{where}: '{told['usd']}' is no price: give US dollars for a unit, 0.35 for instance."
        )
    if not told["instance_type"]:
        raise ConfigurationError(f"{where}: instance_type is empty: give one, {VOLUME}, or {ANY} for any.")
    unit = _UNITS.get((told.get("unit") or ("gb-month" if told["instance_type"] == VOLUME else "hour")).lower())
    if unit is None or (unit == "gb-month") != (told["instance_type"] == VOLUME):
        raise ConfigurationError(
            f"{where}: the unit '{told.get('unit')}' does not fit: an instance type is priced by the hour, {VOLUME} by "
            "the gb-month."
        )
    system = told.get("operating_system") or ANY
    if told["instance_type"] == VOLUME and system != ANY:
        raise ConfigurationError(
            f"{where}: a {VOLUME} has one price for all operating systems: leave operating_system empty."
        )
    return FilePrice(
        told.get("region") or ANY, told["instance_type"], ANY if system == ANY else operating_system(system), unit, usd
    )


def _products(client: Any, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
    asked = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()]
    for page in client.get_paginator("get_products").paginate(ServiceCode=SERVICE, Filters=asked):
        for text in page["PriceList"]:
            yield json.loads(text)


def _prices(product: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The prices of a product that is an image builder's, whatever the filters have let through."""
    told = product["product"]
    attributes = told.get("attributes", {})
    if attributes.get("instanceFunction") != "ImageBuilder" or not attributes.get("regionCode"):
        return
    is_instance = told.get("productFamily") == "Streaming Instance" and attributes.get("instanceType")
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for price in term["priceDimensions"].values():
            unit = _UNITS.get(price["unit"].lower())
            usd = price["pricePerUnit"].get("USD")
            if usd is None or unit != ("hour" if is_instance else "gb-month"):
                continue
            licence = attributes.get("osLicenseModel", "")
            system = "BYOL" if operating_system(licence) == "BYOL" else attributes.get("operatingSystem", "")
            yield {
                "region": attributes["regionCode"],
                "instance_type": attributes["instanceType"] if is_instance else VOLUME,
                "operating_system": operating_system(system) if is_instance else ANY,
                "unit": unit,
                "usd": float(usd),
                "sku": told["sku"],
                "effective_date": datetime.fromisoformat(term["effectiveDate"]) if term.get("effectiveDate") else None,
            }
