"""What a look at one target may take. How a reply is held to its own bounds is the subject of `aws`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.aws.bounds import DEADLINE, MOST_PAGES


@dataclass(frozen=True)
class LookLimits:
    """What a look at one target may take, retries and all, so that no target keeps the others from being committed.

    `deadline` in seconds; `pages` of its listing; `size` of its replies in bytes.
    """

    deadline: float = DEADLINE
    pages: int = MOST_PAGES
    size: int = 2 * 2**30

    @property
    def tags_deadline(self) -> float:
        """Seconds for the tags: a failure to get them may cost the tags, and not the look."""
        return self.deadline * 2 / 3
