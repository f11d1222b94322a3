"""Whose the current credentials are: the account and the partition, as AWS STS or the endpoint itself tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import boto3
from botocore.exceptions import NoCredentialsError, PartialCredentialsError

from pipeline.aws import Access, bounds, failures, sessions
from pipeline.errors import ConfigurationError, CredentialsError
from pipeline.targets.regions import is_glob


@dataclass(frozen=True)
class Identity:
    """An account, and the partition that it belongs to."""

    account_id: str
    partition: str


def current_identity(access: Access, regions: Sequence[str]) -> Identity:
    """Whose the current credentials are.

    STS is asked in each of the regions in turn, for one may be out of reach; globs among them are passed over. Raises
    ConfigurationError where there are no credentials, CredentialsError where they are refused or nobody answers.
    """
    session = access.session
    named = [r for r in regions if not is_glob(r)]
    own = sessions.configured_region(session)
    partition = sessions.partition_of(session, next(iter(named), own) or "us-east-1")
    if known := _account_of_credentials(session):
        return Identity(known, partition)
    refusals = []
    with access.acting_as(()):
        homes = [] if named else access.home_regions(partition)
        for region in dict.fromkeys([*named, *([own] if own else []), *homes]):
            try:
                with bounds.within(bounds.BRIEF_DEADLINE, "asking STS whose credentials these are"):
                    reply = access.client("sts", region).get_caller_identity()
                arn = str(reply.get("Arn", "")).split(":")
                return Identity(str(reply["Account"]), arn[1] if len(arn) > 1 else partition)
            except ConfigurationError:
                raise
            except Exception as error:
                refusals.append(failures.describe(error))
    refusal = next((r for r in refusals if r.status == "credentials"), refusals[0])
    if refusal.status == "credentials":
        fix = "sign in again or renew them, then repeat"
    elif account_id := next(filter(None, (_account_of_any_builder(session, r) for r in named)), None):
        return Identity(account_id, partition)
    else:
        fix = "with credentials in the environment, AWS_ACCOUNT_ID can say it instead"
    raise CredentialsError(
        f"AWS STS does not say whose credentials these are ({refusal.code}: {refusal.message.rstrip('.')}): {fix}."
    )


def _account_of_credentials(session: boto3.Session) -> str | None:
    """The account that the credentials name themselves, as some sources of boto3's do."""
    try:
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        known = getattr(credentials, "account_id", None)
        return str(known) if known else None
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


def _account_of_any_builder(session: boto3.Session, region: str) -> str | None:
    """The account in the ARN of any image builder, for endpoints that serve AppStream but no STS; None without one."""
    try:
        with bounds.within(bounds.BRIEF_DEADLINE, "asking AppStream for an image builder"):
            reply = sessions.client(session, "appstream", region).describe_image_builders(MaxResults=1)
        return str(reply["ImageBuilders"][0]["Arn"].split(":")[4]) or None
    except Exception:
        return None
