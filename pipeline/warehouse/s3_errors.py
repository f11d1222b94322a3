"""What an object store answers when it cannot be read or written, as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import failures
from pipeline.errors import WarehouseError

_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "CreateMultipartUpload": "s3:PutObject",
}
"""The permission that each operation needs, as IAM names it."""


def code_of(error: ClientError) -> str:
    """S3's code of an error; of a HEAD, which has no body, the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_refused_condition(error: ClientError) -> bool:
    """Whether a conditional request was refused because its condition did not hold, or another one was under way."""
    return code_of(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


def is_not_there(error: ClientError) -> bool:
    """Whether the object does not exist."""
    return code_of(error) in ("NoSuchKey", "404", "NotFound")


@contextmanager
def as_sentence(doing: str, location: str, bucket: str) -> Iterator[None]:
    """Turns what boto3 raises into a WarehouseError of one sentence; `doing` is read or written."""
    try:
        yield
    except ClientError as error:
        raise WarehouseError(f"The warehouse {location} cannot be {doing}: {_reason(error, bucket)}.") from error
    except (BotoCoreError, OSError) as error:
        reason = failures.describe(error).message.rstrip(".")
        raise WarehouseError(f"The warehouse {location} cannot be {doing}: {reason}.") from error


def _reason(error: ClientError, bucket: str) -> str:
    code, operation = code_of(error), error.operation_name
    if code == "NoSuchBucket" or (operation == "ListObjectsV2" and code == "404"):
        return f"there is no bucket {bucket}"
    if code in ("AccessDenied", "403", "AllAccessDisabled"):
        action = _ACTIONS.get(operation, operation)
        said = failures.describe(error).message.rstrip(".")
        return f"{action} is denied ({said})"
    return f"{operation}: {failures.describe(error).message.rstrip('.')} ({code})"
