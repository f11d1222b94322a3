"""Classifies what a call to AWS raises: the status of a look (`extracts.status`), AWS's code, the message."""

from __future__ import annotations

from dataclasses import dataclass, replace

from botocore import exceptions as aws

from pipeline.aws.bounds import BoundError
from pipeline.aws.redaction import redacted
from pipeline.errors import MalformedReplyError

# AWS's error codes by the status they give a look. Sources: AppStream's API reference ("Common Errors"), and
# botocore's own list of throttling codes in botocore/retries/standard.py.
_CODES = {
    "denied": {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorized",
        "UnauthorizedOperation",
    },
    "not_enabled": {"OptInRequired", "SubscriptionRequiredException", "RegionDisabledException"},
    "throttled": {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    },
    "credentials": {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    },
}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
"""Codes of a session that was valid and has expired: the same call may succeed with a new one."""

TOO_MANY_REQUESTS = 429
"""The HTTP status of throttling, whatever the code (RFC 6585, section 4)."""

NOT_RECOGNIZED = {"InvalidClientTokenId", "UnrecognizedClientException"}
"""Codes of credentials that AWS does not know; a region that the account has not enabled answers the same."""

_STATUS_OF_CODE = {code: status for status, codes in _CODES.items() for code in codes}
_STATUS_OF_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (MalformedReplyError, "malformed"),
    (aws.PaginationError, "malformed"),
    (aws.NoCredentialsError, "credentials"),
    (aws.PartialCredentialsError, "credentials"),
    (aws.CredentialRetrievalError, "credentials"),
    (aws.TokenRetrievalError, "credentials"),
    (aws.SSOError, "credentials"),
    (aws.UnauthorizedSSOTokenError, "credentials"),
    (aws.ConnectionError, "network"),
    (aws.HTTPClientError, "network"),
    (aws.IncompleteReadError, "network"),
    (aws.ResponseStreamingError, "network"),
)


@dataclass(frozen=True)
class Failure:
    """How a call failed: `status` is one of `extracts.status`, `code` AWS's error code or the exception's name."""

    status: str
    code: str
    message: str
    is_transient: bool
    """Whether the same call may succeed when it is made again."""


class RoleError(Exception):
    """A role that could not be assumed, with AWS's reason."""

    def __init__(self, role: str, failure: Failure) -> None:
        if not failure.message.startswith("The role "):  # In a chain, name the role that was refused.
            failure = replace(failure, message=f"The role {role} cannot be assumed: {failure.message}")
        self.failure = failure
        super().__init__(self.failure.message)


def describe(error: Exception) -> Failure:
    """Classifies what a boto3 call raised. The message contains no secret of this process."""
    if isinstance(error, RoleError):
        return error.failure
    # What is raised while a reply is read comes out of botocore in an error of its own.
    beneath = error.kwargs.get("error") if isinstance(error, aws.HTTPClientError) else error
    if isinstance(beneath, BoundError):
        return Failure(beneath.status, beneath.code, str(beneath), beneath.is_transient)
    if isinstance(error, aws.ClientError):
        return _of_client_error(error)
    status = next((s for kind, s in _STATUS_OF_TYPE if isinstance(error, kind)), "error")
    if type(error).__module__ == "botocore.parsers":
        status = "malformed"
        # The parser quotes the reply, and AssumeRole's has keys that `redacted` has not been told of.
        return Failure(status, "MalformedReply", "AWS's reply is cut short or not in its protocol.", True)
    code = "MalformedReply" if status == "malformed" else type(error).__name__
    return Failure(status, code, _sentence(str(error)), status in ("malformed", "network"))


def retries_made(error: Exception) -> int:
    """How often botocore had retried before it raised this."""
    if isinstance(error, aws.ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))
    return 0


def _of_client_error(error: aws.ClientError) -> Failure:
    reply = error.response.get("Error", {})
    # AWS's older front ends prefix the code: com.amazon.coral.service#AccessDeniedException.
    code = str(reply.get("Code") or "Unknown").rpartition("#")[2]
    message = reply.get("Message") or error.response.get("message") or str(error)
    http = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    status = _STATUS_OF_CODE.get(code, "throttled" if http == TOO_MANY_REQUESTS else "error")
    return Failure(status, redacted(code), _sentence(str(message)), status == "throttled" or http >= 500)


def _sentence(text: str) -> str:
    # A server may send anything, and a text column must be valid Unicode.
    return " ".join(redacted(text).encode("utf-8", "backslashreplace").decode().split())
