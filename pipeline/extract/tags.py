"""The tags of image builders: from the Resource Groups Tagging API, 100 ARNs a call, else from AppStream one by one.

A refusal or a failure costs the tags and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pyarrow as pa

from pipeline import contract
from pipeline.aws import Access, bounds, failures, sessions
from pipeline.aws.failures import Failure
from pipeline.targets import Target

ARNS_PER_CALL = 100
"""The most that one call accepts (Resource Groups Tagging API reference, GetResources, ResourceARNList)."""

_Tags = dict[str, list[dict[str, str]]]


class Tagging:
    """The tags of one target's image builders. `failure` says why they are not all known, once a call has failed."""

    def __init__(self, access: Access, target: Target, deadline: float) -> None:
        """`deadline`: the seconds that all calls for them may take."""
        self.failure: Failure | None = None
        self._access, self._target = access, target
        self._deadline, self._took = deadline, 0.0
        self._one_by_one = False

    @property
    def status(self) -> str:
        """`extracts.tags_status`, so far."""
        return self.failure.status if self.failure else "ok"

    def of(self, arns: Sequence[str]) -> pa.Array:
        """The tags of image builders, of the type `contract.TAG_LIST`, ordered by key; null where they are unknown."""
        found: _Tags = {}
        begun = time.monotonic()
        with bounds.within(self._deadline - self._took, "asking for a target's tags", self._deadline):
            for start in range(0, len(arns), ARNS_PER_CALL):
                if self.failure:  # botocore has retried; further calls would fail as well.
                    break
                try:
                    found |= self._fetch(arns[start : start + ARNS_PER_CALL])
                except Exception as error:
                    self.failure = failures.describe(error)
        self._took += time.monotonic() - begun
        return pa.array([found.get(arn) for arn in arns], contract.TAG_LIST)

    def _fetch(self, arns: Sequence[str]) -> _Tags:
        if not self._one_by_one:
            try:
                return self._by_tagging_api(arns)
            except Exception as error:
                if failures.describe(error).status != "denied":
                    raise
                self._one_by_one = True
        return {arn: self._by_appstream(arn) for arn in arns}

    def _by_tagging_api(self, arns: Sequence[str]) -> _Tags:
        target = self._target
        client = self._access.client("resourcegroupstaggingapi", target.region, target.roles, sessions.BRIEF)
        # The reply leaves out resources that were never tagged.
        found: _Tags = {arn: [] for arn in arns}
        pages = client.get_paginator("get_resources").paginate(ResourceARNList=list(arns))
        for reply in bounds.pages_of(pages, "PaginationToken"):
            for resource in reply["ResourceTagMappingList"]:
                found[resource["ResourceARN"]] = sorted(resource.get("Tags", []), key=lambda tag: str(tag["Key"]))
        return found

    def _by_appstream(self, arn: str) -> list[dict[str, str]]:
        client = self._access.client("appstream", self._target.region, self._target.roles, sessions.BRIEF)
        tags = client.list_tags_for_resource(ResourceArn=arn).get("Tags") or {}
        return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]
