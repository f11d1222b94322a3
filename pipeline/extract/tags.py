"""The tags of image builders: by the Resource Groups Tagging API, a hundred ARNs a call, else one by one by AppStream.

A refusal or a failure costs the tags and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline import contract
from pipeline.aws import failures
from pipeline.aws import sessions as aws
from pipeline.aws.credentials import Access
from pipeline.aws.failures import Failure
from pipeline.targets.planning import Target

ARNS_A_CALL = 100
"""The most that one call takes (Resource Groups Tagging API reference, GetResources, ResourceARNList)."""

_Tags = dict[str, list[dict[str, str]]]


class Tagging:
    """The tags of one target's image builders. `failure` says why they are not all there, once that is so."""

    def __init__(self, access: Access, target: Target) -> None:
        self.failure: Failure | None = None
        self._access, self._target = access, target
        self._one_by_one = False

    @property
    def status(self) -> str:
        """How it went so far, in the words of `extracts.status`."""
        return self.failure.status if self.failure else "ok"

    def of(self, arns: Sequence[str]) -> pa.Array:
        """The tags of image builders, of the type `contract.TAG_LIST`, ordered by key; null where AWS did not tell."""
        found: _Tags = {}
        for chunk in _chunks(arns):
            if self.failure:  # It was asked for patiently enough; another page would be refused as well.
                break
            try:
                found |= self._ask(chunk)
            except Exception as error:
                self.failure = failures.describe(error)
        return pa.array([found.get(arn) for arn in arns], contract.TAG_LIST)

    def _ask(self, arns: Sequence[str]) -> _Tags:
        if not self._one_by_one:
            try:
                return self._together(arns)
            except Exception as error:
                if failures.describe(error).status != "denied":
                    raise
                self._one_by_one = True
        return {arn: self._alone(arn) for arn in arns}

    def _together(self, arns: Sequence[str]) -> _Tags:
        client = self._access.client("resourcegroupstaggingapi", self._target.region, self._target.roles, aws.BRIEF)
        # What was never tagged is not in the reply.
        found: _Tags = {arn: [] for arn in arns}
        asked: dict[str, object] = {"ResourceARNList": list(arns)}
        while True:
            reply = client.get_resources(**asked)
            for resource in reply["ResourceTagMappingList"]:
                found[resource["ResourceARN"]] = sorted(resource.get("Tags", []), key=lambda tag: str(tag["Key"]))
            if not reply.get("PaginationToken"):
                return found
            asked["PaginationToken"] = reply["PaginationToken"]

    def _alone(self, arn: str) -> list[dict[str, str]]:
        client = self._access.client("appstream", self._target.region, self._target.roles, aws.BRIEF)
        tags = client.list_tags_for_resource(ResourceArn=arn).get("Tags") or {}
        return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def _chunks(arns: Sequence[str]) -> Iterator[Sequence[str]]:
    return (arns[start : start + ARNS_A_CALL] for start in range(0, len(arns), ARNS_A_CALL))
