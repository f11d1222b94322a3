"""The accounts of an AWS organization that the targets file asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pipeline.aws import Access, failures
from pipeline.aws.bounds import pages_of
from pipeline.aws.redaction import redacted
from pipeline.aws.roles import retry_when_expired
from pipeline.errors import ConfigurationError, CredentialsError, MalformedReplyError
from pipeline.settings.targets_file import OrganizationKeys


@dataclass(frozen=True)
class Member:
    """An account of the organization. `state` is AWS's: ACTIVE, SUSPENDED, PENDING_CLOSURE and so on."""

    account_id: str
    name: str
    state: str


def members(access: Access, keys: OrganizationKeys, partition: str) -> list[Member]:
    """The accounts that the keys ask for, in whatever state, ordered by id.

    Raises ConfigurationError for an organizational unit that does not exist or when nothing is left,
    CredentialsError when AWS Organizations does not answer.
    """
    roles = tuple(hop.as_role for hop in keys.via)
    try:
        with access.acting_as(roles) as lease:
            client = access.client("organizations", access.home_regions(partition)[0], roles)
            found, without = retry_when_expired(lambda: _found(client, keys), lease)
    except Exception as error:
        failure = failures.describe(error)
        if failure.code in ("ParentNotFoundException", "OrganizationalUnitNotFoundException", "InvalidInputException"):
            raise ConfigurationError(
                f"organization: include_ous or exclude_ous names a unit that is none ({failure.code}: "
                f"{failure.message.rstrip('.')}): give ids as AWS Organizations shows them, ou-ab12-cdefghij or r-ab12."
            ) from None
        raise CredentialsError(
            f"AWS Organizations does not tell which accounts there are ({failure.code}: "
            f"{failure.message.rstrip('.')}): nothing was looked at, for an account that is missing here would seem "
            "to be gone; allow organizations:List*, or list the accounts."
        ) from None
    wanted = [m for m in found if m not in without and _is_wanted(m, keys)]
    if not wanted:
        raise ConfigurationError("organization: no account is left of it: loosen include_ and exclude_.")
    return sorted(set(wanted), key=lambda m: m.account_id)


def _is_wanted(member: Member, keys: OrganizationKeys) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(member.account_id, p) or fnmatchcase(member.name, p) for p in patterns)

    return (not keys.include_accounts or matches(keys.include_accounts)) and not matches(keys.exclude_accounts)


def _found(client: Any, keys: OrganizationKeys) -> tuple[list[Member], set[Member]]:
    """The accounts in the units to include, and those in the units to exclude."""
    found = _below(client, keys.include_ous) if keys.include_ous else _all(client)
    return found, set(_below(client, keys.exclude_ous)) if keys.exclude_ous else set()


def _all(client: Any) -> list[Member]:
    return list(_members(client, "list_accounts"))


def _below(client: Any, units: Sequence[str]) -> list[Member]:
    """The accounts of the units and of all units below them."""
    found: list[Member] = []
    waiting, known = list(units), set(units)
    while waiting:
        unit = waiting.pop()
        found.extend(_members(client, "list_accounts_for_parent", ParentId=unit))
        for page in pages_of(client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit)):
            below = [unit["Id"] for unit in page["OrganizationalUnits"] if unit["Id"] not in known]
            known.update(below)
            waiting.extend(below)
    return found


def _members(client: Any, operation: str, **parameters: str) -> Iterator[Member]:
    for page in pages_of(client.get_paginator(operation).paginate(**parameters)):
        for account in page["Accounts"]:
            # State is the newer of the two; Status ends in September 2026 (Organizations API reference, Account).
            state = account.get("State") or account.get("Status") or "ACTIVE"
            if not re.fullmatch(r"[0-9]{12}", account["Id"]):
                raise MalformedReplyError("AWS Organizations told of an account whose id is none.")
            yield Member(account["Id"], redacted(account.get("Name", "")), state)
