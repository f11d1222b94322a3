"""A look at one target, in as many goes as it takes, and the row of `extracts` that says how it went.

When its goes come is `sweep`'s subject, and no other target's look is known here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import botocore

from pipeline import contract
from pipeline.aws import failures
from pipeline.aws.credentials import Access, Lease
from pipeline.aws.redaction import redacted
from pipeline.extract import listing as appstream
from pipeline.extract.listing import Listing, Selection
from pipeline.extract.slots import OverError, Turn
from pipeline.extract.spool import Spool, arns
from pipeline.extract.tags import Tagging
from pipeline.targets.planning import Target

Row = dict[str, Any]

RENEWALS = 3
"""How often in a row a session is followed by another before the look is given up."""


@dataclass(frozen=True)
class Patience:
    """How often in a row a page is taken up again after botocore's own retries, and the first pause in seconds.

    From the start it is once at most: a target that only hangs has cost minutes by then.
    """

    retries: int = 3
    seconds: float = 0.5

    def pause(self, attempt: int) -> float:
        # Full jitter, as AWS advises, so that many targets do not come back at once.
        return random.uniform(0, self.seconds * 2 ** (attempt - 1))


@dataclass(frozen=True)
class How:
    """What the looks of a sweep have in common."""

    access: Access
    now: Callable[[], datetime]
    selection: Selection = field(default_factory=Selection)
    patience: Patience = field(default_factory=Patience)
    run_id: str | None = None
    on_page: Callable[[int], None] = lambda builders: None
    """Told of the builders of each page."""
    tags: bool = False
    """Whether the tags of the image builders are asked for."""


class Look:
    """A look at a target. `spool` has what was seen, `failure` why nothing was, once `go_on` has come to an end."""

    def __init__(self, target: Target, how: How) -> None:
        self.target = target
        self.failure: failures.Failure | None = None
        self.has_started_over = False
        self._how = how
        self._retries = 0
        self._begin()

    def _begin(self) -> None:
        self.spool = Spool(self.target)
        self._listing: Listing | None = None
        self._started_at: datetime | None = None
        self._rest: dict[str, Any] = {}
        self._builders = self._duplicates = 0
        self._failures = 0
        self._renewals = 0
        self._tagging = Tagging(self._how.access, self.target) if self._how.tags else None

    def start_over(self) -> None:
        """Forgets all but how often it tried."""
        self._retries += 1 + (self._listing.retries if self._listing else 0)
        self.spool.drop()
        self.has_started_over, self.failure = True, None
        self._begin()

    def go_on(self, turn: Turn) -> float | None:
        """Lists on from the page that comes next; None when it has come to an end, well or not.

        Otherwise the seconds after which it wants to be taken up again: the page failed for a passing reason, or
        the session expired and there is a new one. Raises OverError.
        """
        how, target = self._how, self.target
        self._started_at = self._started_at or how.now()
        lease = None
        try:
            with how.access.acting_as(target.roles) as lease:
                self._list(turn)
            self._observed_at = how.now()
            return None
        except OverError:
            raise
        except Exception as error:
            failure = failures.describe(error)
            if failure.code in failures.EXPIRED and self._renewals < RENEWALS and lease and self._renew(lease):
                self._renewals += 1
                self._retries += 1
                return 0.0
            retries = min(how.patience.retries, 1) if self.has_started_over else how.patience.retries
            if failure.is_transient and self._failures < retries:
                self._failures += 1
                self._retries += 1
                return how.patience.pause(self._failures)
            self.failure = failure
            self.spool.drop()
            self._observed_at = how.now()
            return None

    def _list(self, turn: Turn) -> None:
        how, target = self._how, self.target
        assert self._started_at
        if self._listing is None:
            paginator = appstream.paginator(how.access, target.region, target.roles)
            self._listing = Listing(paginator, how.selection, how.now)
        self._listing.wire = turn
        for page in self._listing:
            self._failures = self._renewals = 0
            self._rest |= page.rest
            received_at = self._listing.received_at or self._started_at
            tags = self._tagging.of(arns(target, page).to_pylist()) if self._tagging else None
            self.spool.write(page, received_at, tags)
            self._builders += len(page)
            how.on_page(len(page))
        self._duplicates = self.spool.finish()

    def _renew(self, lease: Lease) -> bool:
        with self._how.access.acting_as(self.target.roles):
            return lease.renew()

    @property
    def row(self) -> Row:
        """The row of `extracts`, without the columns that the snapshot gives."""
        listing, failure, target = self._listing, self.failure, self.target
        is_whole = self._how.selection.is_whole and listing is not None and listing.resume_token is None
        return {
            "account_id": target.account_id,
            "region": target.region,
            "account_name": target.account_name,
            "status": failure.status if failure else "ok",
            "complete": failure is None and is_whole,
            "error_code": failure.code if failure else None,
            "error_message": failure.message if failure else None,
            "started_at": self._started_at,
            "observed_at": self._observed_at,
            "pages": listing.pages if listing else 0,
            "builders": 0 if failure else self._builders - self._duplicates,
            "duplicates": self._duplicates,
            "retries": self._retries + (listing.retries if listing else 0),
            "first_request_id": listing.request_ids[0] if listing and listing.request_ids else None,
            "last_request_id": listing.request_ids[-1] if listing and listing.request_ids else None,
            "resume_token": listing.resume_token if listing and not failure else None,
            **self._told_of_tags(),
            "botocore_version": botocore.__version__,
            "contract_version": contract.VERSION,
            "run_id": self._how.run_id,
            contract.EXTRA: redacted(json.dumps(self._rest, default=str)) if self._rest else None,
        }

    def _told_of_tags(self) -> Row:
        # Of a target that was not seen there is nothing to say beside that.
        tagging = None if self.failure else self._tagging
        failure = tagging.failure if tagging else None
        return {
            "tags_status": tagging.status if tagging else None,
            "tags_error_code": failure.code if failure else None,
            "tags_error_message": failure.message if failure else None,
        }
