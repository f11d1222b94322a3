"""Middleware before moto: it records who calls what, applies faults, checks roles, expires sessions on request.

moto assumes any role for anyone, and its sessions never end; an organization's trouble is in just these.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from pipeline.sandbox.faults import ERRORS, Fault, Reply, body_of, error, headers_of

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_HANDED_OUT = re.compile(rb"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<")
_PREFIXES = {"tagging": "tag"}
"""IAM's prefix of services whose signing name is another."""
_JSON = ("organizations", "tagging", "pricing", "appstream")
"""Services that speak AWS JSON 1.1."""
_WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class Asked:
    """A call: the account, and the action as IAM names it, `sts:AssumeRole` for instance."""

    account_id: str
    action: str


@dataclass
class Front:
    """Moto with faults, checked roles and expiring sessions. `faults` are those of all services."""

    moto: _WSGI
    account_of: Callable[[str], str]
    faults: list[Fault]
    roles: dict[str, str | None] | None = None
    """The external id of each existing role, by ARN; None where anyone may assume any role."""
    enabled: dict[str, set[str]] = field(default_factory=dict)
    """The regions that an account has enabled; an account that is not listed has enabled all."""
    expired: set[str] = field(default_factory=set)
    """Access keys of expired sessions."""
    secrets: set[str] = field(default_factory=set)
    """Keys and tokens that STS has handed out."""
    log: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        if scope is None:
            return self.moto(environ, start_response)
        service, region, key = scope["service"], scope["region"], scope["key"]
        asked: dict[str, list[str]] = {}
        if service != "s3":  # S3's bodies may be large and chunked.
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = BytesIO(body)
            asked = parse_qs(body.decode("utf-8", "replace"))
        operation = _operation(environ, service, asked)
        role = asked["RoleArn"][0] if operation == "AssumeRole" else None
        account_id = role.split(":")[4] if role else self.account_of(key)
        with self._lock:
            self.log.append(Asked(self.account_of(key), f"{_PREFIXES.get(service, service)}:{operation}"))
            struck = [f for f in self.faults if f.strikes(account_id, region, 1, service)]
        refusal = self._refusal(service, operation, key, role, asked)
        if refusal is None and operation == "DescribeRegions" and account_id in self.enabled:
            refusal = _regions(sorted(self.enabled[account_id]))
        for fault in struck:
            refusal = _changed(fault, refusal, service, operation)
        if refusal is None:
            return self._answer(environ, start_response, operation)
        if not refusal.body and (refusal.pace or refusal.is_endless):  # It changes what moto answers.
            refusal = replace(refusal, body=b"".join(self._answer(environ, lambda *_: None, operation)))
        start_response(f"{refusal.status} -", headers_of(refusal))
        return body_of(refusal, environ)

    def _refusal(
        self, service: str, operation: str, key: str, role: str | None, asked: dict[str, list[str]]
    ) -> Reply | None:
        if key in self.expired:
            return _error(service, *ERRORS["expire"])
        if role is None or self.roles is None:
            return None
        external_id = asked.get("ExternalId", [None])[0]
        if role in self.roles and self.roles[role] in (None, external_id):
            return None
        return _error(service, 403, "AccessDenied", f"User is not authorized to perform: sts:AssumeRole on {role}")

    def _answer(self, environ: dict[str, Any], start_response: Any, operation: str) -> Iterable[bytes]:
        answer = self.moto(environ, start_response)
        if operation != "AssumeRole":
            return answer
        told = b"".join(answer)
        with self._lock:
            self.secrets |= {match[1].decode() for match in _HANDED_OUT.findall(told)}
        return [told]


def _operation(environ: dict[str, Any], service: str, asked: dict[str, list[str]]) -> str:
    """The operation, by the name that IAM has for it."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if "Action" in asked:
        return asked["Action"][0]
    method, query = environ["REQUEST_METHOD"], str(environ.get("QUERY_STRING", ""))
    is_object = str(environ.get("PATH_INFO", "")).strip("/").count("/") > 0
    if not is_object:
        return {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket"}.get(
            method, "DeleteObject" if "delete" in query else method
        )
    if "uploadId=" in query and method == "DELETE":
        return "AbortMultipartUpload"
    return {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}.get(method, "PutObject")


def _regions(names: list[str]) -> Reply:
    items = "".join(f"<item><regionName>{n}</regionName><optInStatus>opted-in</optInStatus></item>" for n in names)
    body = f"<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
    return Reply(200, body.encode(), content_type="text/xml")


def _changed(fault: Fault, reply: Reply | None, service: str, operation: str) -> Reply | None:
    """The reply of a fault; None where moto is to answer."""
    if fault.kind in ERRORS:
        status, code, message = ERRORS[fault.kind]
        return _error(service, status, code, f"{message}: {service}:{operation}")
    made = fault.change(reply or Reply(200, b""))
    return reply if made == Reply(200, b"") else made


def _error(service: str, status: int, code: str, message: str) -> Reply:
    """An error in the protocol of the service."""
    if service in _JSON:
        return error(status, code, message, "Message")
    if service == "ec2":
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
        return Reply(status, f"{body}<RequestID>1</RequestID></Response>".encode(), content_type="text/xml")
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Reply(status, f"{body}<RequestId>1</RequestId></ErrorResponse>".encode(), content_type="text/xml")
