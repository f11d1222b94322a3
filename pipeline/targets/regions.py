"""Regions by name and by glob: where AppStream is offered, and what an account has enabled of it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import boto3

from pipeline.aws import failures
from pipeline.aws import sessions as aws
from pipeline.aws.credentials import Access, Role
from pipeline.errors import ConfigurationError


@dataclass(frozen=True)
class Choice:
    """Regions of one partition: those that were named, and those that a glob stands for."""

    named: tuple[str, ...]
    meant: tuple[str, ...]


class Atlas:
    """The regions that the installed botocore knows, by partition."""

    def __init__(self, session: boto3.Session) -> None:
        def regions(service: str, partition: str) -> list[str]:
            return list(session.get_available_regions(service, partition))

        partitions = session.get_available_partitions()
        self._offered = {p: regions("appstream", p) for p in partitions}
        # AppStream's own list would lag behind AWS; a region where it is not offered answers for itself.
        self._known = {p: {*regions("sts", p), *regions("ec2", p), *self._offered[p]} for p in partitions}

    def require_known(self, patterns: Sequence[str], where: str = "") -> None:
        """Raises ConfigurationError for a region that does not exist, and for a glob that stands for none."""
        known = set().union(*self._known.values())
        for pattern in patterns:
            if is_glob(pattern):
                if not any(fnmatchcase(r, pattern) for offered in self._offered.values() for r in offered):
                    raise ConfigurationError(f"{where}'{pattern}' is no region in which AppStream is offered.")
            elif pattern not in known:
                near = difflib.get_close_matches(pattern, known, 1)
                hint = f"; the nearest in name is {near[0]}" if near else ""
                raise ConfigurationError(
                    f"{where}AWS has no region '{pattern}', as far as the installed botocore knows{hint}."
                )

    def choose(self, partition: str, patterns: Sequence[str], excluded: Sequence[str]) -> Choice:
        """What the patterns come to in a partition. Credentials of one partition are none in another."""
        named = [p for p in patterns if p in self._known.get(partition, ())]
        meant = [
            r
            for r in self._offered.get(partition, ())
            if r not in named and any(is_glob(p) and fnmatchcase(r, p) for p in patterns)
        ]

        def wanted(regions: Sequence[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(r for r in regions if not any(fnmatchcase(r, e) for e in excluded)))

        return Choice(wanted(named), wanted(meant))


def enabled(access: Access, roles: tuple[Role, ...], partition: str) -> frozenset[str] | failures.Failure:
    """The regions that an account has enabled, as EC2 tells them; or why it does not."""
    failure = failures.Failure("error", "NoRegion", f"No region of {partition} is known.", False)
    for region in access.homes(partition)[:2]:
        try:
            with access.acting_as(roles):
                answer = access.client("ec2", region, roles, aws.PLANNING).describe_regions()
            found = frozenset(r["RegionName"] for r in answer["Regions"] if r.get("OptInStatus") != "not-opted-in")
            # Every account has some.
            return found or failures.Failure("malformed", "MalformedReply", "EC2 told of no region at all.", True)
        except Exception as error:
            failure = failures.describe(error)
            if failure.status != "network":
                break
    return failure


def is_glob(pattern: str) -> bool:
    return any(c in pattern for c in "*?[")
