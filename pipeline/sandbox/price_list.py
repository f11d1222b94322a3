"""The sandbox's price list, in the shape of AWS's: families, units, names of types and places, and what it leaves out.

The shape is that of AmazonAppStream's products as public code that reads them shows it. The prices are invented.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Product = dict[str, Any]

_PLACES = {
    "us-east-1": ("", "US East (N. Virginia)"),
    "us-west-2": ("USW2-", "US West (Oregon)"),
    "eu-west-1": ("EU-", "EU (Ireland)"),
    "eu-central-1": ("EUC1-", "EU (Frankfurt)"),
    "ap-northeast-1": ("APN1-", "Asia Pacific (Tokyo)"),
}
"""What types of usage begin with in a region, and what the list calls its place."""

_HOURLY = {
    "stream.standard.medium": 0.10,
    "stream.standard.large": 0.20,
    "stream.compute.xlarge": 0.41,
    "stream.memory.2xlarge": 0.80,
    "Accelerated.g6e.xlarge": 2.10,
}
"""Invented prices; graphics instances have none, so that some image builders are unpriced."""

_SYSTEMS = {"Windows": 1.0, "Amazon Linux": 0.6, "RHEL": 0.9}
_BYOL = "Bring your own license"
_BYOL_SHARE = 0.7

_FUNCTIONS = {"ImageBuilder": ("ib", 1.0), "Fleet": ("fl", 3.0)}
"""What types of usage end in, and how much dearer it is."""


def price_list(regions: Iterable[str] = tuple(_PLACES)) -> list[Product]:
    """Products as the Price List API lists them; some are those of fleets and users, not of image builders."""
    products = []
    for number, region in enumerate(regions):
        for instance_type, hourly in _HOURLY.items():
            for system, share, license_model in (
                *((system, share, "License included") for system, share in _SYSTEMS.items()),
                ("Windows", _BYOL_SHARE, _BYOL),
            ):
                for function, (_, times) in _FUNCTIONS.items():
                    usd = round(hourly * share * (1 + number / 20) * times, 4)
                    listed = product(region, instance_type, system, function, usd, license_model)
                    products.append(_with_gaps(listed, region))
        products.append(volume(region, 0.1))
        products.append(_other(region, "Stopped Instance", "stopped-fl", "hour", 0.025, instanceFunction="Fleet"))
        products.append(_other(region, "Image Fees", "office-fee-fl", "hour", 0.05, instanceFunction="Fleet"))
        products.append(_other(region, "User Fees", "user-fee", "User", 4.19))
    return products


def product(
    region: str, instance_type: str, system: str, function: str, usd: float, license_model: str = "License included"
) -> Product:
    """An instance by the hour; `function` is ImageBuilder or Fleet."""
    prefix, _ = _PLACES.get(region, (f"{region.upper()}-", region))
    ending, _ = _FUNCTIONS[function]
    byol = "-byol" if license_model == _BYOL else ""
    attributes = _place(region) | {
        "instanceType": instance_type,
        "instanceFunction": function,
        "operatingSystem": system,
        "osLicenseModel": license_model,
        "usagetype": f"{prefix}{instance_type}{byol}-{ending}",
    }
    return priced(f"{function}-{region}-{instance_type}-{system}{byol}", "Streaming Instance", attributes, "hour", usd)


def volume(region: str, usd: float) -> Product:
    """A GB of root volume for a month."""
    attributes = _place(region) | {"instanceFunction": "ImageBuilder", "volumeType": "General Purpose"}
    return priced(f"volume-{region}", "Storage", attributes, "GB-Mo", usd)


def priced(sku: str, family: str, attributes: dict[str, str], unit: str, usd: float) -> Product:
    """A product with its on-demand price."""
    sku = re.sub(r"[^A-Z0-9]", "", sku.upper())
    rate = f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    price = {
        "rateCode": rate,
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
        "appliesTo": [],
    }
    term = {
        "sku": sku,
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": "2026-10-01T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": {rate: price},
    }
    return {
        "product": {"sku": sku, "productFamily": family, "attributes": attributes},
        "serviceCode": "AmazonAppStream",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
        "version": "20261001000000",
        "publicationDate": "2026-10-01T00:00:00Z",
    }


def _place(region: str) -> dict[str, str]:
    _, location = _PLACES.get(region, ("", region))
    return {
        "servicecode": "AmazonAppStream",
        "location": location,
        "locationType": "AWS Region",
        "regionCode": region,
    }


def _other(region: str, family: str, usage: str, unit: str, usd: float, **attributes: str) -> Product:
    prefix, _ = _PLACES[region]
    told = _place(region) | {"usagetype": f"{prefix}{usage}"} | attributes
    return priced(f"{usage}-{region}", family, told, unit, usd)


def _with_gaps(listed: Product, region: str) -> Product:
    """What AWS's list leaves out of some products: the region's code, the function, the type of the instance."""
    attributes = listed["product"]["attributes"]
    if region == "eu-central-1":
        del attributes["regionCode"]
    if region == "us-west-2":
        del attributes["instanceFunction"]
    if region == "eu-west-1" and attributes["osLicenseModel"] != _BYOL:
        del attributes["osLicenseModel"]
    if region == "ap-northeast-1" and attributes["osLicenseModel"] != _BYOL:
        del attributes["instanceType"]
    return listed
