"""Which accounts and regions to look at: the targets file, the options, and whose credentials these are.

How a look at a target goes is `sweep`'s subject.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import NoCredentialsError, PartialCredentialsError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import aws, failures
from pipeline.errors import ConfigurationError, CredentialsError

DEFAULT_FILE = "targets.yaml"
DEFAULT_CONCURRENCY = 32


@dataclass(frozen=True)
class Target:
    """An account and a region of it: what is looked at, all or nothing."""

    account_id: str
    region: str
    partition: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"

    def arn(self, name: str) -> str:
        """An image builder's ARN (Service Authorization Reference, Amazon AppStream 2.0, resource types)."""
        return f"arn:{self.partition}:appstream:{self.region}:{self.account_id}:image-builder/{name}"


class TargetsFile(BaseModel):
    """The targets file, validated."""

    model_config = ConfigDict(extra="forbid", strict=True)

    regions: list[str] | None = Field(default=None, min_length=1)
    concurrency: int = Field(default=DEFAULT_CONCURRENCY, ge=1)


@dataclass(frozen=True)
class Plan:
    """What a run looks at, and how many targets at once."""

    targets: tuple[Target, ...]
    concurrency: int


def plan(session: boto3.Session, regions: Sequence[str] = (), environ: Mapping[str, str] = os.environ) -> Plan:
    """The targets of the current credentials' account: in `regions`, else the file's, else boto3's own region.

    Raises ConfigurationError for settings that cannot be, CredentialsError when AWS does not say whose
    credentials these are.
    """
    settings = read_file(environ)
    chosen = _checked(session, regions or settings.regions or _own_region(session))
    account_id = _account_id(session, chosen)
    partitions = {r: session.get_partition_for_region(r) for r in chosen}
    return Plan(tuple(Target(account_id, r, partitions[r]) for r in chosen), settings.concurrency)


def read_file(environ: Mapping[str, str] = os.environ) -> TargetsFile:
    """The targets file that IMAGE_BUILDERS_TARGETS names, else targets.yaml if it is there, else defaults.

    Raises ConfigurationError, naming the file, the key and what is wrong with it.
    """
    named = environ.get("IMAGE_BUILDERS_TARGETS")
    path = Path(named or DEFAULT_FILE)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"IMAGE_BUILDERS_TARGETS names {named}, which does not exist.") from None
        return TargetsFile()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    try:
        return TargetsFile.model_validate({} if content is None else content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise ConfigurationError(f"{path}: {where}: {first['msg']}.") from error


def _own_region(session: boto3.Session) -> list[str]:
    # boto3 reads AWS_DEFAULT_REGION; AWS_REGION is what the other SDKs, and Lambda, call it.
    if region := session.region_name or os.environ.get("AWS_REGION"):
        return [region]
    raise ConfigurationError(
        "No region is set: give --region, list regions in targets.yaml, or set AWS_DEFAULT_REGION or your profile's "
        "region."
    )


def _checked(session: boto3.Session, regions: Sequence[str]) -> list[str]:
    # AppStream's own list would lag behind AWS; a region where it is not offered answers for itself.
    known = {
        region
        for partition in session.get_available_partitions()
        for service in ("sts", "appstream")
        for region in session.get_available_regions(service, partition)
    }
    for region in regions:
        if region not in known:
            near = difflib.get_close_matches(region, known, 1)
            hint = f"; the nearest in name is {near[0]}" if near else ""
            raise ConfigurationError(f"AWS has no region '{region}', as far as the installed botocore knows{hint}.")
    return list(dict.fromkeys(regions))


def _account_id(session: boto3.Session, regions: Sequence[str]) -> str:
    """Whose credentials these are: asked in every region in turn, for one may be out of reach."""
    try:
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        if known := getattr(credentials, "account_id", None):
            return str(known)
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigurationError(
            f"AWS credentials are missing ({failures.describe(error).message.rstrip('.')}): set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with the AWS command line."
        ) from error
    refusals = []
    for region in regions:
        sts = aws.client(session, "sts", region)
        try:
            return str(sts.get_caller_identity()["Account"])
        except Exception as error:
            refusals.append(failures.describe(error))
    refusal = next((r for r in refusals if r.status == "credentials"), refusals[0])
    if refusal.status == "credentials":
        fix = "sign in again or renew them, then repeat"
    elif account_id := next(filter(None, (_account_of_any_builder(session, r) for r in regions)), None):
        return account_id
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
