"""The session of an assumed role: assumed at its first use, refreshed before it expires, refused once and for all."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import botocore.credentials
from botocore.exceptions import ClientError

from pipeline.aws import failures
from pipeline.aws.credentials import Lease, Role, access_key_used_last, signing_with
from pipeline.aws.failures import Failure, RoleError
from pipeline.aws.redaction import keep_secret

SESSION_NAME = "image-builders"
"""The RoleSessionName that CloudTrail shows for this project's calls."""

StsClient = Callable[[str], Any]
"""Gives the STS client of a region."""


class AssumedRole:
    """The lease of a role. Threads share it.

    A refusal is remembered: where the role of an account with twenty regions is missing, STS is asked once.
    Raises RoleError.
    """

    def __init__(self, role: Role, source: Lease, sts: StsClient, regions: Sequence[str]) -> None:
        """`source` signs the AssumeRole call; `regions` are where STS is asked, the next when one is out of reach."""
        self._role, self._source, self._sts = role, source, sts
        self._regions = itertools.cycle(regions)
        self._region = next(self._regions)
        self._lock = threading.Lock()
        self._session: Any = None
        self._access_key: str | None = None
        self._refusal: Failure | None = None
        self._last_failure: Failure | None = None
        self._failed_attempts = 0

    def get_frozen_credentials(self) -> Any:
        failed_attempts = self._failed_attempts
        try:
            with self._lock:
                if self._refusal:
                    raise RoleError(self._role.arn, self._refusal)
                if self._session is None:
                    if self._failed_attempts != failed_attempts and self._last_failure:
                        # It failed while this thread waited for the lock: where STS hangs, the account's other
                        # regions must not wait for it one after another.
                        raise RoleError(self._role.arn, self._last_failure)
                    self._session = self._begin_session()
                session = self._session
            return session.get_frozen_credentials()
        except RoleError:
            raise
        except Exception as error:
            raise self._role_error(failures.describe(error)) from None

    def renew(self) -> bool:
        with self._lock:
            # Another region of the account may have met the same expiry first, and renewed the session already.
            if self._access_key == access_key_used_last():
                self._session = None
        return True

    def _begin_session(self) -> Any:
        try:
            return botocore.credentials.RefreshableCredentials.create_from_metadata(
                self._assume(), refresh_using=self._assume, method="assume-role"
            )
        except Exception as error:
            self._failed_attempts, self._last_failure = self._failed_attempts + 1, failures.describe(error)
            raise

    def _assume(self) -> dict[str, Any]:
        parameters = {"RoleArn": self._role.arn, "RoleSessionName": SESSION_NAME}
        if self._role.external_id is not None:
            parameters["ExternalId"] = self._role.external_id
        with signing_with(self._source) as source:
            sts = self._sts(self._region)
            # The session that this role is assumed from may have expired, too.
            reply = retry_when_expired(lambda: sts.assume_role(**parameters), source)
        found = reply["Credentials"]
        keep_secret(found["SecretAccessKey"], found["SessionToken"], found["AccessKeyId"])
        self._access_key = found["AccessKeyId"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    def _role_error(self, failure: Failure) -> RoleError:
        if failure.status == "network":
            self._region = next(self._regions)
        # An expiry is that of the session that this role is assumed from, which can be renewed. A look whose time is
        # over says nothing of the role.
        if not failure.is_transient and failure.code not in failures.EXPIRED and failure.status != "network":
            self._refusal = failure
        return RoleError(self._role.arn, failure)


def retry_when_expired(call: Callable[[], Any], lease: Lease) -> Any:
    """The reply to a call; made again with renewed credentials where those of the lease have expired meanwhile."""
    try:
        return call()
    except ClientError as error:
        if not is_renewed(error, lease):
            raise
        return call()


def is_renewed(error: Exception, lease: Lease | None) -> bool:
    """Whether a call failed because its credentials expired, and the lease has others now."""
    return failures.describe(error).code in failures.EXPIRED and lease is not None and lease.renew()
