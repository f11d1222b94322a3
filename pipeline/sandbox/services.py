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
from pipeline.sandbox.price_list import price_list

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

MOST_ARNS = 100
_PRICES_A_PAGE = 40


@dataclass
class Services:
    """Tags and prices, before `moto`.

    `products` is the price list, there to be changed; operations that are `refused` are denied.
    """

    moto: _WSGI
    estate: Callable[[], Estate]
    now: Callable[[], datetime]
    account_of: Callable[[str], str]
    products: list[dict[str, Any]] = field(default_factory=price_list)
    refused: set[str] = field(default_factory=set)

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
        filters = asked.get("Filters", [])
        found = [p for p in self.products if all(_matches(p["product"], wanted) for wanted in filters)]
        start = int(base64.b64decode(asked["NextToken"])) if asked.get("NextToken") else 0
        end = start + min(asked.get("MaxResults", _PRICES_A_PAGE), _PRICES_A_PAGE)
        reply = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(p) for p in found[start:end]]}
        if end < len(found):
            reply["NextToken"] = base64.b64encode(str(end).encode()).decode()
        return _reply(reply)

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
