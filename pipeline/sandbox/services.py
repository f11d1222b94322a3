"""Services that moto lacks, as a WSGI application: the tags of image builders, and the price list.

What it does not serve it hands on to moto.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

from pipeline.sandbox.estate import Estate
from pipeline.sandbox.faults import Reply, error

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

MOST_ARNS = 100
_PRICES_A_PAGE = 40
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1")
_HOURLY = {
    "stream.standard.medium": 0.10,
    "stream.standard.large": 0.20,
    "stream.compute.xlarge": 0.41,
    "stream.memory.2xlarge": 0.80,
}
"""Invented prices; graphics instances have none, so that some image builders are unpriced."""
_SYSTEMS = {"Windows": 1.0, "BYOL": 0.7, "Amazon Linux": 0.6, "RHEL": 0.9}


def price_list(regions: Iterable[str] = _REGIONS) -> list[dict[str, Any]]:
    """Products as the Price List API lists them; some are fleets', whose prices are not image builders'."""
    products = []
    for place, region in enumerate(regions):
        for instance_type, hourly in _HOURLY.items():
            for system, share in _SYSTEMS.items():
                for function in ("ImageBuilder", "Fleet"):
                    usd = round(hourly * share * (1 + place / 20) * (1 if function == "ImageBuilder" else 3), 4)
                    products.append(_product(region, instance_type, system, function, usd))
        products.append(_volume(region, 0.1))
    return products


def _product(region: str, instance_type: str, system: str, function: str, usd: float) -> dict[str, Any]:
    attributes = {
        "servicecode": "AmazonAppStream",
        "instanceType": instance_type,
        "instanceFunction": function,
        "operatingSystem": system,
        "regionCode": region,
        "locationType": "AWS Region",
    }
    return _priced(f"{function}-{region}-{instance_type}-{system}", "Streaming Instance", attributes, "Hrs", usd)


def _volume(region: str, usd: float) -> dict[str, Any]:
    attributes = {
        "servicecode": "AmazonAppStream",
        "instanceFunction": "ImageBuilder",
        "volumeType": "General Purpose",
        "regionCode": region,
        "locationType": "AWS Region",
    }
    return _priced(f"volume-{region}", "Storage", attributes, "GB-Mo", usd)


def _priced(sku: str, family: str, attributes: dict[str, str], unit: str, usd: float) -> dict[str, Any]:
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


@dataclass
class Services:
    """Tags and prices, before `moto`.

    `products` is the price list, there to be changed; operations that are `refused` are denied; without
    `is_filtering` the price list is told whole, whatever was asked for.
    """

    moto: _WSGI
    estate: Callable[[], Estate]
    now: Callable[[], datetime]
    account_of: Callable[[str], str]
    products: list[dict[str, Any]] = field(default_factory=price_list)
    refused: set[str] = field(default_factory=set)
    is_filtering: bool = True

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
        answer = self._answers.get(operation)
        if scope is None or answer is None:
            return self.moto(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        reply = answer(self, self.account_of(scope["key"]), scope["region"], json.loads(body or b"{}"))
        if operation in self.refused:
            reply = error(400, "AccessDeniedException", f"User is not authorized to perform: {operation}", "Message")
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        start_response(f"{reply.status} -", headers)
        return [reply.body]

    def _tags(self, account_id: str, region: str) -> dict[str, dict[str, str]]:
        return self.estate().tags(account_id, region, self.now())

    def _get_resources(self, account_id: str, region: str, asked: dict[str, Any]) -> Reply:
        arns = asked.get("ResourceARNList", [])
        if not 0 < len(arns) <= MOST_ARNS:
            return error(400, "InvalidParameterException", f"{len(arns)} ARNs, not 1 to {MOST_ARNS}")
        tags = self._tags(account_id, region)
        found = [{"ResourceARN": arn, "Tags": _pairs(tags[arn])} for arn in arns if tags.get(arn)]
        return _reply({"PaginationToken": "", "ResourceTagMappingList": found})

    def _list_tags_for_resource(self, account_id: str, region: str, asked: dict[str, Any]) -> Reply:
        return _reply({"Tags": self._tags(account_id, region).get(asked["ResourceArn"], {})})

    def _get_products(self, account_id: str, region: str, asked: dict[str, Any]) -> Reply:
        if asked.get("ServiceCode") != "AmazonAppStream":
            return error(400, "InvalidParameterException", f"The sandbox has no prices of {asked.get('ServiceCode')}")
        found = [p for p in self.products if self._wants(p["product"], asked.get("Filters", []))]
        start = int(base64.b64decode(asked["NextToken"])) if asked.get("NextToken") else 0
        end = start + min(asked.get("MaxResults", _PRICES_A_PAGE), _PRICES_A_PAGE)
        reply = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(p) for p in found[start:end]]}
        if end < len(found):
            reply["NextToken"] = base64.b64encode(str(end).encode()).decode()
        return _reply(reply)

    def _wants(self, product: dict[str, Any], filters: list[dict[str, str]]) -> bool:
        return not self.is_filtering or all(_matches(product, wanted) for wanted in filters)

    _answers = {
        "GetResources": _get_resources,
        "ListTagsForResource": _list_tags_for_resource,
        "GetProducts": _get_products,
    }


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _matches(product: dict[str, Any], wanted: dict[str, str]) -> bool:
    told = product["attributes"] | {"productFamily": product["productFamily"]}
    return bool(told.get(wanted["Field"]) == wanted["Value"])


def _reply(content: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(content).encode())
