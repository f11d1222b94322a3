"""A look: one attempt to list one target, in as many steps as it takes, and the row of `extracts` that tells of it.

When a look proceeds is `sweep`'s subject; no look knows of another target's.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import botocore
import pyarrow as pa

from pipeline import contract
from pipeline.aws import bounds, failures
from pipeline.aws.credentials import Lease
from pipeline.aws.redaction import redacted
from pipeline.aws.roles import is_renewed
from pipeline.extract import wire
from pipeline.extract.listing import Listing
from pipeline.extract.options import LookOptions
from pipeline.extract.parsed import as_json
from pipeline.extract.slots import Slot, SweepOverError
from pipeline.extract.spool import Spool, arns
from pipeline.extract.tags import Tagging
from pipeline.targets import Target

Row = dict[str, Any]

GRACE = 2.0
"""Seconds after its deadline at which a look that has not noticed is given up: its thread waits for something that has
no bound.
"""

RENEWALS = 3
"""How often in a row an expired session is renewed before the look fails."""

_WHAT = "a look at one target"


class Look:
    """A look at a target. Once `proceed` has returned None, `spool` has its rows, or `failure` says why it has none."""

    def __init__(self, target: Target, options: LookOptions) -> None:
        self.target = target
        self.failure: failures.Failure | None = None
        self.has_started_over = False
        self._options = options
        self._retries = 0
        self._seconds_left = options.limits.deadline
        self._begun = self._took = 0.0
        self._given_up: Row | None = None
        self._begin()

    def _begin(self) -> None:
        self.spool = Spool(self.target)
        self._listing: Listing | None = None
        self._started_at: datetime | None = None
        self._rest: dict[str, Any] = {}
        self._builders = self._duplicates = 0
        self._failures = 0
        self._renewals = 0
        options = self._options
        self._tagging = Tagging(options.access, self.target, options.limits.tags_deadline) if options.tags else None

    @property
    def may_start_over(self) -> bool:
        """Whether it failed for a passing reason, for the first time, and has time left."""
        is_passing = self.failure is not None and self.failure.is_transient
        return is_passing and not self.has_started_over and self._took < self._seconds_left

    def start_over(self) -> None:
        """Discards everything but the number of retries."""
        self._retries += 1 + (self._listing.retries if self._listing else 0)
        self.spool.drop()
        self._seconds_left -= self._took
        self._begun = 0.0
        self.has_started_over, self.failure = True, None
        self._begin()

    @property
    def is_overdue(self) -> bool:
        """Whether its time is long over, and it has not noticed."""
        return bool(self._begun) and time.monotonic() - self._begun > self._seconds_left + GRACE

    def give_up(self) -> None:
        """Makes it a look that failed, for want of time. Its thread may go on; what that does then does not matter."""
        failure = failures.describe(bounds.deadline_exceeded(self._options.limits.deadline, _WHAT))
        self._given_up = self._row(failure, self._options.now())

    def proceed(self, slot: Slot) -> float | None:
        """Lists from the next page on; returns None at the end, whether the look succeeded or failed.

        Otherwise returns the seconds to wait before it is to proceed: a page failed for a passing reason, or the
        session had expired and was renewed. Raises SweepOverError.
        """
        options = self._options
        self._started_at = self._started_at or options.now()
        self._begun = self._begun or time.monotonic()
        lease = None
        try:
            left = self._begun + self._seconds_left - time.monotonic()
            with (
                bounds.within(left, _WHAT, options.limits.deadline),
                options.access.acting_as(self.target.roles) as lease,
            ):
                self._list(slot)
            self._observed_at = options.now()
            return None
        except SweepOverError:
            self.spool.drop()
            raise
        except Exception as error:
            pause = self._pause_after(error, lease)
            if pause is None:
                self.failure = failures.describe(error)
                self.spool.drop()
                self._observed_at = options.now()
                self._took = time.monotonic() - self._begun  # It may wait long for its turn to start over.
            return pause

    def _list(self, slot: Slot) -> None:
        options, target = self._options, self.target
        assert self._started_at
        if self._listing is None:
            paginator = wire.paginator(options.access, target.region, target.roles)
            self._listing = Listing(paginator, options.selection, options.now, options.limits)
        self._listing.listener = slot
        stem = pa.scalar(target.arn(""))
        for page in self._listing:
            self._failures = self._renewals = 0
            self._rest |= page.rest
            received_at = self._listing.received_at or self._started_at
            told = arns(page.builders, stem).to_pylist() if self._tagging else []
            tags = self._tagging.of(told) if self._tagging else None
            self.spool.write(page, received_at, tags)
            self._builders += len(page)
            options.on_page(len(page))
        self._duplicates = self.spool.finish()

    def _pause_after(self, error: Exception, lease: Lease | None) -> float | None:
        """Seconds after which the page that failed is to be fetched again; None where that does not help."""
        with self._options.access.acting_as(self.target.roles):
            if self._renewals < RENEWALS and is_renewed(error, lease):
                self._renewals += 1
                self._retries += 1
                return 0.0
        policy = self._options.retry_policy
        most = min(policy.retries, 1) if self.has_started_over else policy.retries
        if failures.describe(error).is_transient and self._failures < most:
            self._failures += 1
            self._retries += 1
            return policy.pause(self._failures)
        return None

    @property
    def row(self) -> Row:
        """The row of `extracts`, without the columns that the snapshot adds."""
        return self._given_up or self._row(self.failure, self._observed_at)

    def _row(self, failure: failures.Failure | None, observed_at: datetime) -> Row:
        listing, target = self._listing, self.target
        is_whole = self._options.selection.is_whole and listing is not None and listing.resume_token is None
        return {
            "account_id": target.account_id,
            "region": target.region,
            "account_name": target.account_name,
            "status": failure.status if failure else "ok",
            "complete": failure is None and is_whole,
            "error_code": failure.code if failure else None,
            "error_message": failure.message if failure else None,
            "started_at": self._started_at,
            "observed_at": observed_at,
            "pages": listing.pages if listing else 0,
            "builders": 0 if failure else self._builders - self._duplicates,
            "duplicates": self._duplicates,
            "retries": self._retries + (listing.retries if listing else 0),
            "first_request_id": listing.request_ids[0] if listing and listing.request_ids else None,
            "last_request_id": listing.request_ids[-1] if listing and listing.request_ids else None,
            "resume_token": listing.resume_token if listing and not failure else None,
            **self._tags_columns(failure),
            "botocore_version": botocore.__version__,
            "contract_version": contract.VERSION,
            "run_id": self._options.run_id,
            contract.EXTRA: redacted(as_json(self._rest)) if self._rest else None,
        }

    def _tags_columns(self, look_failure: failures.Failure | None) -> Row:
        tagging = None if look_failure else self._tagging  # A target that was not seen has no tags to tell of.
        failure = tagging.failure if tagging else None
        return {
            "tags_status": tagging.status if tagging else None,
            "tags_error_code": failure.code if failure else None,
            "tags_error_message": failure.message if failure else None,
        }
