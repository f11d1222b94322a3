"""Which accounts and regions a run looks at: the targets file and the options, resolved by asking AWS.

What the file may contain is `settings.targets_file`'s subject; how a target is looked at is `extract`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import boto3

from pipeline.aws import Access, Role, bounds, sessions, threads
from pipeline.aws.failures import Failure
from pipeline.errors import ConfigurationError, CredentialsError
from pipeline.settings.targets_file import TargetsFile
from pipeline.targets import organization
from pipeline.targets.identity import Identity, current_identity
from pipeline.targets.regions import Atlas, Choice, enabled_regions, is_glob
from pipeline.targets.target import Plan, Remark, Target

ACCOUNTS_AT_ONCE = 32
"""Accounts whose enabled regions are asked for at once."""


@dataclass(frozen=True)
class _Account:
    """An account to look at, with the regions asked for and left out. `where` is its place in the file."""

    account_id: str
    partition: str
    roles: tuple[Role, ...]
    name: str | None
    regions: tuple[str, ...]
    excluded: tuple[str, ...]
    where: str = ""


def plan(
    access: Access,
    regions: Sequence[str] = (),
    settings: TargetsFile | None = None,
    deadline: float = bounds.DEADLINE,
) -> Plan:
    """The targets: the accounts of the targets file, else the current one, in `regions`, else in the file's.

    Raises ConfigurationError for settings that are not valid, CredentialsError when AWS does not say whose the current
    credentials are, or which accounts there are, within `deadline` seconds. What is wrong with one account is told by
    its own looks.
    """
    try:
        return threads.call_within(
            deadline, "planning what to look at", lambda: _plan(access, regions, settings or TargetsFile())
        )
    except bounds.BoundError as error:
        raise CredentialsError(f"AWS does not tell what there is to look at. {error}") from None


def _plan(access: Access, regions: Sequence[str], settings: TargetsFile) -> Plan:
    wanted = tuple(dict.fromkeys(regions or settings.regions or _own_region(access.session)))
    atlas = Atlas(access.session)
    atlas.require_known(wanted)
    atlas.require_known([r for r in settings.exclude_regions if not is_glob(r)], "exclude_regions: ")
    accounts, remarks = _accounts(access, atlas, settings, wanted, bool(regions))
    choices = {a: atlas.choose(a.partition, a.regions, a.excluded) for a in accounts}
    _require_no_target_twice(choices)
    targets: list[Target] = []
    for account, (found, remark) in zip(accounts, _enabled_of(access, choices), strict=True):
        targets += (Target(account.account_id, r, account.partition, account.roles, account.name) for r in found)
        remarks += [remark] if remark else []
    if not targets:
        raise ConfigurationError(_nothing_left(accounts, wanted))
    return Plan(tuple(targets), settings.concurrency, tuple(remarks), not regions, settings.tags)


def _accounts(
    access: Access, atlas: Atlas, settings: TargetsFile, wanted: tuple[str, ...], is_narrowed: bool
) -> tuple[list[_Account], list[Remark]]:
    """The accounts, and remarks on those that are left out."""
    excluded = tuple(settings.exclude_regions)
    own = cache(lambda: current_identity(access, wanted))
    if not settings.accounts and not settings.organization:
        _require_one_partition(access.session, own(), wanted)
        return [_Account(own().account_id, own().partition, (), None, wanted, excluded)], []
    accounts = list(_listed(access.session, atlas, settings, wanted, is_narrowed, own))
    remarks: list[Remark] = []
    if keys := settings.organization:
        via = tuple(hop.as_role for hop in keys.via)
        here = Identity(via[-1].account_id, via[-1].partition) if via else own()
        listed = {a.account_id for a in accounts}
        for member in organization.members(access, keys, here.partition):
            if member.account_id in listed:
                continue  # The account's own entry in the file is more specific.
            if member.state != "ACTIVE":
                remarks.append(Remark(member.account_id, member.name, f"left out, it is {member.state}."))
                continue
            role = Role(f"arn:{here.partition}:iam::{member.account_id}:role/{keys.role_name}", keys.external_id)
            # The account of the credentials needs no role; StackSets create none in the management account.
            roles = via if member.account_id == here.account_id else (*via, role)
            accounts.append(_Account(member.account_id, here.partition, roles, member.name, wanted, excluded))
    return accounts, remarks


def _listed(
    session: boto3.Session,
    atlas: Atlas,
    settings: TargetsFile,
    wanted: tuple[str, ...],
    is_narrowed: bool,
    own: Callable[[], Identity],
) -> Iterator[_Account]:
    """The accounts that the file lists. Regions given as options replace those of the file."""
    for number, keys in enumerate(settings.accounts):
        where = f"accounts.{number}: "
        roles = keys.as_roles
        if not roles and own().account_id != keys.id:
            raise ConfigurationError(
                f"{where}account {keys.id} has no role, and the current credentials are of account "
                f"{own().account_id}: give the role to assume."
            )
        partition = roles[-1].partition if roles else own().partition
        regions = wanted
        if keys.regions is not None and not is_narrowed:
            regions = tuple(keys.regions)
            atlas.require_known(regions, f"{where}regions: ")
            _require_one_partition(session, Identity(keys.id, partition), regions, f"{where}regions: ")
        excluded = settings.exclude_regions if keys.exclude_regions is None else keys.exclude_regions
        atlas.require_known([r for r in excluded if not is_glob(r)], f"{where}exclude_regions: ")
        yield _Account(keys.id, partition, roles, keys.name, regions, tuple(excluded), where)


def _require_one_partition(session: boto3.Session, own: Identity, regions: Sequence[str], where: str = "") -> None:
    for region in regions:
        if not is_glob(region) and (other := sessions.partition_of(session, region)) != own.partition:
            raise ConfigurationError(
                f"{where}{region} belongs to the partition {other}, account {own.account_id} to {own.partition}: "
                "leave the region out, or give the credentials of an account there."
            )


def _require_no_target_twice(choices: Mapping[_Account, Choice]) -> None:
    seen: dict[tuple[str, str], _Account] = {}
    for account, choice in choices.items():
        for region in (*choice.named, *choice.by_glob):
            if first := seen.get((account.account_id, region)):
                raise ConfigurationError(
                    f"{account.where}account {account.account_id} in {region} is a target already by "
                    f"{first.where.rstrip(': ')}: leave one of them out, or give each its own regions."
                )
            seen[account.account_id, region] = account


def _enabled_of(access: Access, choices: Mapping[_Account, Choice]) -> list[tuple[Sequence[str], Remark | None]]:
    """The regions of each account: those that are named, and of those that globs stand for the ones it has enabled."""

    def look_up(item: tuple[_Account, Choice]) -> tuple[Sequence[str], Remark | None]:
        account, choice = item
        found, text = choice.named, "left out, no region that is asked for is one of its partition."
        if choice.by_glob:
            enabled = enabled_regions(access, account.roles, account.partition)
            if isinstance(enabled, Failure):
                # All of them, because a target that is missing from the plan would seem to be gone.
                text = (
                    f"it does not tell which regions it has enabled ({enabled.code}: {enabled.message.rstrip('.')}); "
                    "all are tried."
                )
                return (*found, *choice.by_glob), Remark(account.account_id, account.name, text)
            found = (*found, *(r for r in choice.by_glob if r in enabled))
            text = "left out, it has enabled none of the regions that are asked for."
        return found, None if found else Remark(account.account_id, account.name, text)

    return threads.map_at_once(look_up, list(choices.items()), ACCOUNTS_AT_ONCE)


def _nothing_left(accounts: Sequence[_Account], wanted: Sequence[str]) -> str:
    if not accounts:
        return "No account is left to look at: every one that was found is suspended or closed."
    partitions = ", ".join(sorted({a.partition for a in accounts}))
    return (
        f"No region is left to look at: {', '.join(wanted)}, less what is excluded, is none in {partitions} that the "
        "accounts have enabled."
    )


def _own_region(session: boto3.Session) -> list[str]:
    if region := sessions.configured_region(session):
        return [region]
    raise ConfigurationError(
        "No region is set: give --region, list regions in targets.yaml, or set AWS_DEFAULT_REGION or your profile's "
        "region."
    )
