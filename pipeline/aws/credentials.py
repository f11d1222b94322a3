"""Whose credentials a call is signed with: roles assumed one from another, renewed while they are used.

A client costs milliseconds and a connection, so all accounts share those of a region; each thread says whom it acts
as. Which accounts and roles there are is `targets`' subject.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
import botocore.credentials
from botocore.exceptions import ClientError, NoCredentialsError

from pipeline.aws import failures
from pipeline.aws import sessions as aws
from pipeline.aws.failures import RoleError
from pipeline.aws.redaction import keep_secret

SESSION_NAME = "image-builders"
"""The RoleSessionName by which CloudTrail tells this project's calls."""

_HOMES = {
    "aws": ("us-east-1", "us-west-2", "eu-west-1"),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-west-1", "us-gov-east-1"),
}
"""Regions that every account of a partition has, of which at least one should be in reach."""

_acting = threading.local()
"""The lease that the calling thread's requests are signed with."""


@dataclass(frozen=True)
class Role:
    """A role to assume, and the external id that its trust policy asks for."""

    arn: str
    external_id: str | None = None

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def account_id(self) -> str:
        return self.arn.split(":")[4]


class Lease(Protocol):
    """Credentials for as long as they are needed."""

    def get_frozen_credentials(self) -> Any:
        """What to sign with now. Raises what the call to AWS that it takes raises."""
        ...

    def renew(self) -> bool:
        """Gives up the credentials that this thread used last; False where there are no others to get."""
        ...


class Access:
    """The clients that all accounts share, and the credentials of each chain of roles. Threads may share it."""

    def __init__(self, session: boto3.Session, connections: int = 10) -> None:
        self.session = session
        self._connections = connections
        self._shared = aws.new_session()
        lent = botocore.credentials.CredentialResolver([_Lender()])
        self._shared._session.register_component("credential_provider", lent)
        # The models of services are large, and read once is enough.
        self._shared._session.register_component("data_loader", session._session.get_component("data_loader"))
        self._shared._session.set_config_variable("sts_regional_endpoints", "regional")
        retry_mode = os.environ.get("AWS_RETRY_MODE") or session._session.get_scoped_config().get("retry_mode")
        # An adaptive client slows down for all who share it.
        self._is_shared = retry_mode != "adaptive"
        self._lock = threading.RLock()
        self._clients: dict[tuple[Any, ...], Any] = {}
        self._leases: dict[tuple[Role, ...], Lease] = {(): _Own(session)}

    def lease(self, roles: tuple[Role, ...] = ()) -> Lease:
        """The credentials at the end of a chain of roles; without any, the current ones."""
        with self._lock:
            if roles not in self._leases:
                self._leases[roles] = _Assumed(self, roles)
            return self._leases[roles]

    def client(
        self,
        service: str,
        region: str,
        roles: tuple[Role, ...] = (),
        effort: aws.Effort = aws.THOROUGH,
        prepare: Callable[[Any], Any] | None = None,
    ) -> Any:
        """A client for whoever `acting_as` is in force; or what `prepare` makes of it, once.

        Raises ConfigurationError for settings of boto3's that cannot be.
        """
        key = (service, region, effort, prepare, () if self._is_shared else roles)
        with self._lock:
            if key not in self._clients:
                made = aws.client(self._shared, service, region, effort, self._connections)
                self._clients[key] = prepare(made) if prepare else made
            return self._clients[key]

    @contextmanager
    def acting_as(self, roles: tuple[Role, ...]) -> Iterator[Lease]:
        """Requests of this thread are signed with these credentials."""
        before, _acting.lease = getattr(_acting, "lease", None), self.lease(roles)
        try:
            yield _acting.lease
        finally:
            _acting.lease = before

    def homes(self, partition: str) -> list[str]:
        """Regions whose endpoints to ask what is not a region's own matter, the user's own region first."""
        own = self.session.region_name
        mine = [own] if own and aws.partition_of(self.session, own) == partition else []
        others = _HOMES.get(partition) or tuple(self.session.get_available_regions("sts", partition))[:2]
        return list(dict.fromkeys([*mine, *others])) or ["us-east-1"]


class _Lender(botocore.credentials.CredentialProvider):  # type: ignore[misc]
    METHOD = "lent"

    def load(self) -> _Lent:
        return _Lent("lent", "lent")


class _Lent(botocore.credentials.Credentials):  # type: ignore[misc]
    """What a shared client signs with: the credentials of whom the calling thread acts as."""

    def get_frozen_credentials(self) -> Any:
        frozen = _acting.lease.get_frozen_credentials()
        _acting.access_key = frozen.access_key
        return frozen


class _Own:
    """The current credentials, which boto3 found, and renews where they can be."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._lock = threading.Lock()

    def get_frozen_credentials(self) -> Any:
        with self._lock:  # What finds them may be a program, or a service that counts how often it is asked.
            credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        keep_secret(frozen.secret_key, frozen.token)
        return frozen

    def renew(self) -> bool:
        return False


class _Assumed:
    """The session of a role, assumed when it is first needed, and anew before it expires.

    A refusal is remembered: an account of twenty regions whose role is missing is asked for once. Raises RoleError.
    """

    def __init__(self, access: Access, roles: tuple[Role, ...]) -> None:
        self._access = access
        self._source, self._role = roles[:-1], roles[-1]
        self._regions = itertools.cycle(access.homes(self._role.partition))
        self._region = next(self._regions)
        self._lock = threading.Lock()
        self._session: Any = None
        self._access_key: str | None = None
        self._refusal: failures.Failure | None = None
        self._last_failure: failures.Failure | None = None
        self._attempts = 0

    def get_frozen_credentials(self) -> Any:
        attempts = self._attempts
        try:
            with self._lock:
                if self._refusal:
                    raise RoleError(self._role.arn, self._refusal)
                if self._session is None:
                    if self._attempts != attempts and self._last_failure:
                        # It failed while we waited for it: an STS that hangs is not asked by each region in turn.
                        raise RoleError(self._role.arn, self._last_failure)
                    self._session = self._begin()
                session = self._session
            return session.get_frozen_credentials()
        except RoleError:
            raise
        except Exception as error:
            raise self._refused(failures.describe(error)) from None

    def _begin(self) -> Any:
        try:
            return botocore.credentials.RefreshableCredentials.create_from_metadata(
                self._assume(), refresh_using=self._assume, method="assume-role"
            )
        except Exception as error:
            self._attempts, self._last_failure = self._attempts + 1, failures.describe(error)
            raise

    def renew(self) -> bool:
        with self._lock:
            # Another region of the account may have met the same expiry, and be ahead.
            if self._access_key == getattr(_acting, "access_key", None):
                self._session = None
        return True

    def _assume(self) -> dict[str, Any]:
        asked = {"RoleArn": self._role.arn, "RoleSessionName": SESSION_NAME}
        if self._role.external_id is not None:
            asked["ExternalId"] = self._role.external_id
        with self._access.acting_as(self._source) as source:
            sts = self._access.client("sts", self._region, self._source, aws.BRIEF)
            try:
                answer = sts.assume_role(**asked)
            except ClientError as error:
                # The session that we assume from may be over, too.
                if failures.describe(error).code not in failures.EXPIRED or not source.renew():
                    raise
                answer = sts.assume_role(**asked)
        found = answer["Credentials"]
        keep_secret(found["SecretAccessKey"], found["SessionToken"], found["AccessKeyId"])
        self._access_key = found["AccessKeyId"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    def _refused(self, failure: failures.Failure) -> RoleError:
        if failure.status == "network":
            self._region = next(self._regions)
        # What we assume from may have expired, and be renewed.
        if not failure.is_transient and failure.code not in failures.EXPIRED:
            self._refusal = failure
        return RoleError(self._role.arn, failure)
