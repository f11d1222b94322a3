"""Regions by name and by glob: where AppStream is offered, and which of them an account has enabled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import boto3

from pipeline.aws import Access, Role, bounds, failures, sessions
from pipeline.errors import ConfigurationError, nearest


@dataclass(frozen=True)
class Choice:
    """Regions of one partition: those that are named, and those that a glob stands for."""

    named: tuple[str, ...]
    by_glob: tuple[str, ...]


class Atlas:
    """The regions that the installed botocore knows, by partition."""

    def __init__(self, session: boto3.Session) -> None:
        def regions(service: str, partition: str) -> list[str]:
            return list(session.get_available_regions(service, partition))

        partitions = session.get_available_partitions()
        self._offered = {p: regions("appstream", p) for p in partitions}
        # A named region may be newer than botocore's list for AppStream; where it is not offered, the look says so.
        self._known = {p: {*regions("sts", p), *regions("ec2", p), *self._offered[p]} for p in partitions}

    def require_known(self, patterns: Sequence[str], where: str = "") -> None:
        """Raises ConfigurationError for a region that does not exist, and for a glob that stands for none."""
        known = set().union(*self._known.values())
        for pattern in patterns:
            if is_glob(pattern):
                if not any(fnmatchcase(r, pattern) for offered in self._offered.values() for r in offered):
                    raise ConfigurationError(f"{where}'{pattern}' is no region in which AppStream is offered.")
            elif pattern not in known:
                near = nearest(pattern, known)
                hint = f"; the nearest in name is {near}" if near else ""
                raise ConfigurationError(
                    f"{where}AWS has no region '{pattern}', as far as the installed botocore knows{hint}."
                )

    def choose(self, partition: str, patterns: Sequence[str], excluded: Sequence[str]) -> Choice:
        """The regions of a partition that the patterns stand for; credentials of one partition are void in another."""
        named = [p for p in patterns if p in self._known.get(partition, ())]
        by_glob = [
            r
            for r in self._offered.get(partition, ())
            if r not in named and any(is_glob(p) and fnmatchcase(r, p) for p in patterns)
        ]

        def wanted(regions: Sequence[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(r for r in regions if not any(fnmatchcase(r, e) for e in excluded)))

        return Choice(wanted(named), wanted(by_glob))


def enabled_regions(access: Access, roles: tuple[Role, ...], partition: str) -> frozenset[str] | failures.Failure:
    """The regions that an account has enabled, by EC2's DescribeRegions; or why that failed."""
    failure = failures.Failure("error", "NoRegion", f"No region of {partition} is known.", False)
    for region in access.home_regions(partition)[:2]:
        try:
            with bounds.within(bounds.BRIEF_DEADLINE, "asking which regions are enabled"), access.acting_as(roles):
                reply = access.client("ec2", region, roles, sessions.PLANNING).describe_regions()
            found = frozenset(r["RegionName"] for r in reply["Regions"] if r.get("OptInStatus") != "not-opted-in")
            # Every account has some enabled.
            return found or failures.Failure("malformed", "MalformedReply", "EC2 told of no region at all.", True)
        except Exception as error:
            failure = failures.describe(error)
            if failure.status != "network":
                break
    return failure


def is_glob(pattern: str) -> bool:
    return any(c in pattern for c in "*?[")
