"""Clients that all accounts share, and a lease of credentials for each chain of roles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from pipeline.aws import sessions
from pipeline.aws.credentials import Lease, OwnCredentials, Role, sign_by_thread, signing_with
from pipeline.aws.roles import AssumedRole

# Regions that every account of a partition has, of which at least one should be in reach.
_HOME_REGIONS = {
    "aws": ("us-east-1", "us-west-2", "eu-west-1"),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-west-1", "us-gov-east-1"),
}


class Access:
    """The way to AWS: shared clients, and credentials by chain of roles. Threads may share it."""

    def __init__(self, session: boto3.Session, connections: int = 10) -> None:
        """`connections` is the size of each client's connection pool."""
        self.session = session
        self._connections = connections
        self._shared = sessions.new_session()
        sign_by_thread(self._shared)
        self._shared._session.set_config_variable("sts_regional_endpoints", "regional")
        self._are_clients_shared = not sessions.retries_adapt(session)
        self._lock = threading.RLock()
        self._clients: dict[tuple[Any, ...], Any] = {}
        self._leases: dict[tuple[Role, ...], Lease] = {(): OwnCredentials(session)}

    def lease(self, roles: tuple[Role, ...] = ()) -> Lease:
        """The credentials at the end of a chain of roles; without roles, the current ones."""
        with self._lock:
            if roles not in self._leases:
                source, role = roles[:-1], roles[-1]
                self._leases[roles] = AssumedRole(
                    role,
                    self.lease(source),
                    lambda region: self.client("sts", region, source, sessions.BRIEF),
                    self.home_regions(role.partition),
                )
            return self._leases[roles]

    def client(
        self,
        service: str,
        region: str,
        roles: tuple[Role, ...] = (),
        effort: sessions.Effort = sessions.THOROUGH,
        prepare: Callable[[Any], Any] | None = None,
    ) -> Any:
        """A client that signs as the thread's `acting_as` says; or what `prepare` makes of the client, made once.

        Raises ConfigurationError for boto3 settings that are not valid.
        """
        key = (service, region, effort, prepare, () if self._are_clients_shared else roles)
        with self._lock:
            if key not in self._clients:
                client = sessions.client(self._shared, service, region, effort, self._connections)
                self._clients[key] = prepare(client) if prepare else client
            return self._clients[key]

    @contextmanager
    def acting_as(self, roles: tuple[Role, ...]) -> Iterator[Lease]:
        """Signs this thread's requests with the credentials at the end of a chain of roles."""
        with signing_with(self.lease(roles)) as lease:
            yield lease

    def home_regions(self, partition: str) -> list[str]:
        """Regions to ask what is no region's own matter (STS, Organizations, EC2's list), the configured one first."""
        configured = self.session.region_name
        first = [configured] if configured and sessions.partition_of(self.session, configured) == partition else []
        others = _HOME_REGIONS.get(partition) or tuple(self.session.get_available_regions("sts", partition))[:2]
        return list(dict.fromkeys([*first, *others])) or ["us-east-1"]
