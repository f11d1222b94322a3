"""What the looks of a sweep have in common: access, clock, selection, retries."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.aws import Access
from pipeline.extract.limits import LookLimits
from pipeline.extract.listing import Selection


@dataclass(frozen=True)
class RetryPolicy:
    """How often in a row a page that fails is fetched again, after botocore's own retries, with exponential backoff.

    `seconds` is the first pause at most. A look that has started over retries each page once at most: a target that
    only hangs has cost minutes by then.
    """

    retries: int = 3
    seconds: float = 0.5

    def pause(self, attempt: int) -> float:
        """Seconds before an attempt, counted from 1: full jitter, as AWS advises, so that targets do not return at
        once.
        """
        return random.uniform(0, self.seconds * 2 ** (attempt - 1))


@dataclass(frozen=True)
class LookOptions:
    """How to look at a target. `tags`: the image builders' tags are asked for too."""

    access: Access
    now: Callable[[], datetime]
    selection: Selection = field(default_factory=Selection)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    run_id: str | None = None
    on_page: Callable[[int], None] = lambda builders: None
    """Called with the number of image builders of each page."""
    tags: bool = False
    limits: LookLimits = field(default_factory=LookLimits)
