"""Credentials to sign calls with: the current ones, and the interface that those of assumed roles share with them.

One client serves all accounts of a region, because a client costs milliseconds and a connection. So its credentials are
no fixed keys: they ask the calling thread which lease is in force there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
import botocore.credentials
from botocore.exceptions import NoCredentialsError

from pipeline.aws.redaction import keep_secret

_thread = threading.local()
"""The calling thread's lease, and the access key that it signed with last."""


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
    """Credentials that are refreshed before they expire, for as long as they are needed."""

    def get_frozen_credentials(self) -> Any:
        """The keys to sign with now. Raises whatever the AWS call that fetches them raises."""
        ...

    def renew(self) -> bool:
        """Discards the credentials that this thread used last. False where no others can be had."""
        ...


class OwnCredentials:
    """The current credentials, as boto3 finds and refreshes them: the lease of calls without a role."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._lock = threading.Lock()

    def get_frozen_credentials(self) -> Any:
        with self._lock:  # They may come from a program, or from a service that limits how often it is asked.
            credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        keep_secret(frozen.secret_key, frozen.token)
        return frozen

    def renew(self) -> bool:
        return False


@contextmanager
def signing_with(lease: Lease) -> Iterator[Lease]:
    """Signs this thread's requests with the credentials of a lease."""
    before, _thread.lease = getattr(_thread, "lease", None), lease
    try:
        yield lease
    finally:
        _thread.lease = before


def access_key_used_last() -> str | None:
    """The access key that this thread's last request was signed with."""
    return getattr(_thread, "access_key", None)


def sign_by_thread(session: boto3.Session) -> None:
    """Has the session's clients sign each request with the lease of the thread that makes it."""
    resolver = botocore.credentials.CredentialResolver([_ThreadCredentialsProvider()])
    session._session.register_component("credential_provider", resolver)


class _ThreadCredentialsProvider(botocore.credentials.CredentialProvider):  # type: ignore[misc]
    METHOD = "thread"

    def load(self) -> _ThreadCredentials:
        return _ThreadCredentials("unused", "unused")


class _ThreadCredentials(botocore.credentials.Credentials):  # type: ignore[misc]
    """What a shared client signs with: the credentials of the calling thread's lease."""

    def get_frozen_credentials(self) -> Any:
        frozen = _thread.lease.get_frozen_credentials()
        _thread.access_key = frozen.access_key
        return frozen
