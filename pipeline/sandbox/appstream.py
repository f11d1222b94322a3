"""AppStream's DescribeImageBuilders over HTTP, in both protocols of its model, with faults on request.

A WSGI application. It answers from an `Estate` at the sandbox's clock; it knows nothing of how the pipeline looks.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import cbor2
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, StructureShape

from pipeline.sandbox.estate import Estate, ImageBuilder
from pipeline.sandbox.faults import ERRORS, Fault, Reply, body_of, error, headers_of

OPERATION = "DescribeImageBuilders"
DEFAULT_PAGE, LARGEST_PAGE = 50, 1000

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/")


@dataclass(frozen=True)
class Call:
    """A request that was answered."""

    account_id: str
    region: str
    page: int
    parameters: dict[str, Any]
    status: int
    access_key: str = ""


@dataclass
class AppStream:
    """The service. `account_of` gives the account of an access key; tests may change the other fields as they run.

    `expired` are the access keys of sessions that are over, `enabled` the regions of accounts that lack some.
    """

    estate: Estate
    now: Callable[[], datetime]
    account_of: Callable[[str], str]
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    expired: set[str] = field(default_factory=set)
    enabled: dict[str, set[str]] = field(default_factory=dict)
    on_page: Callable[[str, int], None] = lambda region, page: None
    """Called before a page is made, with its region and number from 1: a test may change the estate here."""

    def __post_init__(self) -> None:
        model: Any = ServiceModel(Loader().load_service_model("appstream", "service-2"), "appstream")
        self._operation: OperationModel = model.operation_model(OPERATION)
        self._target = f"{model.metadata['targetPrefix']}.{OPERATION}"
        self._path = f"/service/{model.metadata['targetPrefix']}/operation/{OPERATION}"
        self._lock = threading.Lock()

    def serves(self, environ: dict[str, Any]) -> bool:
        """Whether a request is for this listing, rather than for tags or another service of the same endpoint."""
        prefix = self._target.partition(".")[0]
        target, path = str(environ.get("HTTP_X_AMZ_TARGET", "")), str(environ.get("PATH_INFO", ""))
        if target.endswith(".ListTagsForResource"):
            return False
        return target.startswith(f"{prefix}.") or path.startswith(f"/service/{prefix}/")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        is_cbor = environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor"
        reply = self._answer(environ, body, is_cbor)
        if is_cbor and reply.content_type.startswith("application/x-amz-json"):
            reply = _as_cbor(reply, self._operation.output_shape)
        headers = [*headers_of(reply), ("x-amzn-RequestId", str(uuid.uuid4()))]
        if is_cbor:
            headers.append(("smithy-protocol", "rpc-v2-cbor"))
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
        return body_of(reply, environ)

    def _answer(self, environ: dict[str, Any], body: bytes, is_cbor: bool) -> Reply:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None:
            return error(400, "MissingAuthenticationTokenException", "Request is missing Authentication Token")
        if environ.get("HTTP_X_AMZ_TARGET") != self._target and environ.get("PATH_INFO") != self._path:
            return error(400, "UnknownOperationException", f"The sandbox knows {OPERATION} only")
        try:
            parameters = cbor2.loads(body) if is_cbor else json.loads(body or b"{}")
            start, page = _decode(parameters.get("NextToken"))
        except _ForeignTokenError:
            refusal = error(400, "InvalidParameterCombinationException", "NextToken is not one of ours")
            self._note(Call(self.account_of(scope["key"]), scope["region"], 0, parameters, refusal.status))
            return refusal
        except ValueError as problem:
            return error(400, "SerializationException", str(problem))
        account_id, region = self.account_of(scope["key"]), scope["region"]
        self.on_page(region, page)
        is_enabled = account_id not in self.enabled or region in self.enabled[account_id]
        if scope["key"] in self.expired or not is_enabled:
            refusal = error(*ERRORS["expire" if is_enabled else "not_enabled"])
            self._note(Call(account_id, region, page, parameters, refusal.status, scope["key"]))
            return refusal
        reply = replace(
            self._describe(account_id, region, parameters, start, page),
            asked_token=parameters.get("NextToken"),
            session_token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN"),
        )
        with self._lock:
            struck = [f for f in self.faults if f.strikes(account_id, region, page)]
        for fault in struck:
            reply = fault.change(reply)
        self._note(Call(account_id, region, page, parameters, reply.status, scope["key"]))
        return reply

    def _note(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)

    def _describe(self, account_id: str, region: str, parameters: dict[str, Any], start: int, page: int) -> Reply:
        if unknown := set(parameters) - set(self._operation.input_shape.members):
            return error(400, "SerializationException", f"Unknown parameters: {', '.join(sorted(unknown))}")
        size = parameters.get("MaxResults") or DEFAULT_PAGE
        if not 0 < size <= LARGEST_PAGE:
            return error(400, "InvalidParameterCombinationException", f"MaxResults is {size}, not 1 to {LARGEST_PAGE}")
        builders: Sequence[ImageBuilder] = self.estate.builders(account_id, region, self.now())
        if names := parameters.get("Names"):
            by_name = {b["Name"]: b for b in builders}
            for name in names:
                if name not in by_name:
                    return error(400, "ResourceNotFoundException", f"Image builder {name} does not exist.", "Message")
            builders = [by_name[name] for name in dict.fromkeys(names)]
        result: dict[str, Any] = {"ImageBuilders": list(builders[start : start + size])}
        if start + size < len(builders):
            result["NextToken"] = _encode(start + size, page + 1)
        return Reply(200, json.dumps(result).encode())


class _ForeignTokenError(Exception):
    """A NextToken that this sandbox did not issue."""


def _encode(start: int, page: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"start": start, "page": page}).encode()).decode()


def _decode(token: str | None) -> tuple[int, int]:
    """Where the page of a token starts, and its number from 1. Raises _ForeignTokenError."""
    if token is None:
        return 0, 1
    try:
        place = json.loads(base64.urlsafe_b64decode(token))
        return int(place["start"]), int(place["page"])
    except (KeyError, TypeError, ValueError) as problem:
        raise _ForeignTokenError(token) from problem


def _as_cbor(reply: Reply, shape: StructureShape) -> Reply:
    content = json.loads(reply.body)
    if reply.status == 200:
        content = _with_moments(content, shape)
    return replace(reply, body=cbor2.dumps(content, datetime_as_timestamp=True), content_type="application/cbor")


def _with_moments(value: Any, shape: Any) -> Any:
    """The reply in CBOR, where timestamps carry a tag; in JSON they are plain numbers."""
    if value is None:
        return None
    if shape.type_name == "structure":
        return {k: _with_moments(v, shape.members[k]) for k, v in value.items() if k in shape.members}
    if shape.type_name == "list":
        return [_with_moments(v, shape.member) for v in value]
    return cbor2.CBORTag(1, value) if shape.type_name == "timestamp" else value
