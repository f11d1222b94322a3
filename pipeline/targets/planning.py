"""Which accounts and regions to look at: what the targets file and the options come to, once AWS is asked.

How a look at a target goes is `sweep`'s subject; what the file may say is `targets_file`'s.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import boto3
from botocore.exceptions import NoCredentialsError, PartialCredentialsError

from pipeline.aws import failures, threads
from pipeline.aws import sessions as aws
from pipeline.aws.credentials import Access, Role
from pipeline.errors import ConfigurationError, CredentialsError
from pipeline.settings.targets_file import TargetsFile, read_file
from pipeline.targets import organization
from pipeline.targets.regions import Atlas, Choice, enabled, is_glob

ACCOUNTS_AT_ONCE = 32
"""Accounts that are asked at once which regions they have enabled."""


@dataclass(frozen=True)
class Target:
    """An account and a region of it: what is looked at, all or nothing. `roles` are assumed one from another."""

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
    """Something to know about an account: why it is left out, or why more of it is tried than it may have."""

    account_id: str
    account_name: str | None
    text: str

    def __str__(self) -> str:
        name = f" ({self.account_name})" if self.account_name else ""
        return f"Account {self.account_id}{name}: {self.text}"


@dataclass(frozen=True)
class Plan:
    """What a run looks at, and how many targets at once. `is_whole` where no option chose the targets.

    `tags` says whether the image builders' tags are asked for too.
    """

    targets: tuple[Target, ...]
    concurrency: int
    remarks: tuple[Remark, ...] = ()
    is_whole: bool = True
    tags: bool = False


@dataclass(frozen=True)
class _Identity:
    """Whose the current credentials are."""

    account_id: str
    partition: str


@dataclass(frozen=True)
class _Account:
    """An account that is to be looked at, and in which regions. `where` is its place in the file."""

    account_id: str
    partition: str
    roles: tuple[Role, ...]
    name: str | None
    regions: tuple[str, ...]
    excluded: tuple[str, ...]
    where: str = ""


def plan(access: Access, regions: Sequence[str] = (), environ: Mapping[str, str] = os.environ) -> Plan:
    """The targets: the accounts of the file, else that of the current credentials, in `regions`, else the file's.

    Raises ConfigurationError for settings that cannot be, CredentialsError when AWS does not say whose credentials
    these are, or which accounts there are. What is wrong with one account costs no other: its looks will tell.
    """
    settings = read_file(environ)
    wants_tags = _wants_tags(environ, settings.tags)
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
    return Plan(tuple(targets), settings.concurrency, tuple(remarks), not regions, wants_tags)


def _wants_tags(environ: Mapping[str, str], of_file: bool) -> bool:
    told = environ.get("IMAGE_BUILDERS_TAGS")
    if told not in (None, "", "on", "off"):
        raise ConfigurationError(f"IMAGE_BUILDERS_TAGS is '{told}'; it is one of: on, off.")
    return told == "on" if told else of_file


def split(targets: Sequence[Target], shards: int) -> list[tuple[Target, ...]]:
    """The targets in so many parts of like size; an account's together, if they can be: its role is assumed once."""
    shards = min(shards, len(targets))
    ends = [len(targets) * n // shards for n in range(shards + 1)]
    return [tuple(targets[a:b]) for a, b in itertools.pairwise(ends)]


def _accounts(
    access: Access, atlas: Atlas, settings: TargetsFile, wanted: tuple[str, ...], is_narrowed: bool
) -> tuple[list[_Account], list[Remark]]:
    """The accounts, and what is to be said of those that are left out."""
    excluded = tuple(settings.exclude_regions)
    own = cache(lambda: _identity(access, wanted))
    if not settings.accounts and not settings.organization:
        _require_one_partition(access.session, own(), wanted)
        return [_Account(own().account_id, own().partition, (), None, wanted, excluded)], []
    accounts = list(_listed(access.session, atlas, settings, wanted, is_narrowed, own))
    remarks: list[Remark] = []
    if keys := settings.organization:
        via = tuple(hop.as_role for hop in keys.via)
        here = _Identity(via[-1].account_id, via[-1].partition) if via else own()
        listed = {a.account_id for a in accounts}
        for member in organization.members(access, keys, here.partition):
            if member.account_id in listed:
                continue  # Its own entry says more.
            if member.state != "ACTIVE":
                remarks.append(Remark(member.account_id, member.name, f"left out, it is {member.state}."))
                continue
            role = Role(f"arn:{here.partition}:iam::{member.account_id}:role/{keys.role_name}", keys.external_id)
            # The account we are in needs no role of its own; StackSets do not even make one in the management account.
            roles = via if member.account_id == here.account_id else (*via, role)
            accounts.append(_Account(member.account_id, here.partition, roles, member.name, wanted, excluded))
    return accounts, remarks


def _listed(
    session: boto3.Session,
    atlas: Atlas,
    settings: TargetsFile,
    wanted: tuple[str, ...],
    is_narrowed: bool,
    own: Callable[[], _Identity],
) -> Iterator[_Account]:
    """The accounts that the file lists. Options that choose regions come before any region of the file."""
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
            _require_one_partition(session, _Identity(keys.id, partition), regions, f"{where}regions: ")
        excluded = settings.exclude_regions if keys.exclude_regions is None else keys.exclude_regions
        atlas.require_known([r for r in excluded if not is_glob(r)], f"{where}exclude_regions: ")
        yield _Account(keys.id, partition, roles, keys.name, regions, tuple(excluded), where)


def _require_one_partition(session: boto3.Session, own: _Identity, regions: Sequence[str], where: str = "") -> None:
    for region in regions:
        if not is_glob(region) and (other := aws.partition_of(session, region)) != own.partition:
            raise ConfigurationError(
                f"{where}{region} belongs to the partition {other}, account {own.account_id} to {own.partition}: "
                "leave the region out, or give the credentials of an account there."
            )


def _require_no_target_twice(choices: Mapping[_Account, Choice]) -> None:
    seen: dict[tuple[str, str], _Account] = {}
    for account, choice in choices.items():
        for region in (*choice.named, *choice.meant):
            if first := seen.get((account.account_id, region)):
                raise ConfigurationError(
                    f"{account.where}account {account.account_id} in {region} is a target already by "
                    f"{first.where.rstrip(': ')}: leave one of them out, or give each its own regions."
                )
            seen[account.account_id, region] = account


def _enabled_of(access: Access, choices: Mapping[_Account, Choice]) -> list[tuple[Sequence[str], Remark | None]]:
    """The regions of each account: those that were named, and of the others those that it has enabled."""

    def look_up(item: tuple[_Account, Choice]) -> tuple[Sequence[str], Remark | None]:
        account, choice = item
        found, text = choice.named, "left out, no region that is asked for is one of its partition."
        if choice.meant:
            told = enabled(access, account.roles, account.partition)
            if isinstance(told, failures.Failure):
                # Never fewer regions than it may have: a target that is missing would seem to be gone.
                text = (
                    f"it does not tell which regions it has enabled ({told.code}: {told.message.rstrip('.')}); all "
                    "are tried."
                )
                return (*found, *choice.meant), Remark(account.account_id, account.name, text)
            found = (*found, *(r for r in choice.meant if r in told))
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
    # boto3 reads AWS_DEFAULT_REGION; AWS_REGION is what the other SDKs, and Lambda, call it.
    if region := session.region_name or os.environ.get("AWS_REGION"):
        return [region]
    raise ConfigurationError(
        "No region is set: give --region, list regions in targets.yaml, or set AWS_DEFAULT_REGION or your profile's "
        "region."
    )


def _identity(access: Access, regions: Sequence[str]) -> _Identity:
    """Whose credentials these are: asked in every region in turn, for one may be out of reach."""
    session = access.session
    named = [r for r in regions if not is_glob(r)]
    own = session.region_name or os.environ.get("AWS_REGION")
    partition = aws.partition_of(session, next(iter(named), own) or "us-east-1")
    try:
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        if known := getattr(credentials, "account_id", None):
            return _Identity(str(known), partition)
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigurationError(
            f"AWS credentials are missing ({failures.describe(error).message.rstrip('.')}): set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with the AWS command line."
        ) from None
    except Exception as error:
        failure = failures.describe(error)
        raise CredentialsError(
            f"The AWS credentials cannot be had ({failure.code}: {failure.message.rstrip('.')}): mend the profile, or "
            "sign in again."
        ) from None
    refusals = []
    with access.acting_as(()):
        for region in dict.fromkeys([*named, *([own] if own else []), *([] if named else access.homes(partition))]):
            try:
                told = access.client("sts", region).get_caller_identity()
                arn = str(told.get("Arn", "")).split(":")
                return _Identity(str(told["Account"]), arn[1] if len(arn) > 1 else partition)
            except ConfigurationError:
                raise
            except Exception as error:
                refusals.append(failures.describe(error))
    refusal = next((r for r in refusals if r.status == "credentials"), refusals[0])
    if refusal.status == "credentials":
        fix = "sign in again or renew them, then repeat"
    elif account_id := next(filter(None, (_account_of_any_builder(session, r) for r in named)), None):
        return _Identity(account_id, partition)
    else:
        fix = "with credentials in the environment, AWS_ACCOUNT_ID can say it instead"
    raise CredentialsError(
        f"AWS STS does not say whose credentials these are ({refusal.code}: {refusal.message.rstrip('.')}): {fix}."
    )


def _account_of_any_builder(session: boto3.Session, region: str) -> str | None:
    """The account in a builder's ARN, for endpoints that serve AppStream and no STS; None if that tells nothing."""
    try:
        reply = aws.client(session, "appstream", region).describe_image_builders(MaxResults=1)
        return str(reply["ImageBuilders"][0]["Arn"].split(":")[4]) or None
    except Exception:
        return None
