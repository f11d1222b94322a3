"""A target, which is an account in one region, and a plan, which is a run's targets. Nothing here calls AWS."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.aws import Role


@dataclass(frozen=True)
class Target:
    """An account in one region: what a look lists, all or nothing. `roles` are assumed one from another, in order."""

    account_id: str
    region: str
    partition: str
    roles: tuple[Role, ...] = ()
    account_name: str | None = None

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"

    def arn(self, name: str) -> str:
        """An image builder's ARN (Service Authorization Reference, Amazon AppStream 2.0, resource types)."""
        return f"arn:{self.partition}:appstream:{self.region}:{self.account_id}:image-builder/{name}"


@dataclass(frozen=True)
class Remark:
    """A sentence on an account: why it is left out, or why regions are tried that it may not have enabled."""

    account_id: str
    account_name: str | None
    text: str

    def __str__(self) -> str:
        name = f" ({self.account_name})" if self.account_name else ""
        return f"Account {self.account_id}{name}: {self.text}"


@dataclass(frozen=True)
class Plan:
    """What a run looks at, and how many targets at once.

    `is_whole`: the targets are those of the configuration; no option has narrowed them. `tags`: tags are asked for.
    """

    targets: tuple[Target, ...]
    concurrency: int
    remarks: tuple[Remark, ...] = ()
    is_whole: bool = True
    tags: bool = False


def split(targets: Sequence[Target], shards: int) -> list[tuple[Target, ...]]:
    """The targets in so many parts of about equal size. An account's targets stay together as far as that allows, so
    that its role is assumed once.
    """
    shards = min(shards, len(targets))
    ends = [len(targets) * n // shards for n in range(shards + 1)]
    return [tuple(targets[a:b]) for a, b in itertools.pairwise(ends)]
