"""The errors a user can act on: one sentence each, and the exit code the command line gives it.

What went wrong with one *target* is not here: that is data, a row of `extracts`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ImageBuildersError(Exception):
    """Base of every error whose message is meant for the person at the keyboard."""

    exit_code = 1


class ConfigurationError(ImageBuildersError):
    """Settings, options or the targets file ask for something that cannot be. Nothing was tried."""

    exit_code = 2


class CredentialsError(ImageBuildersError):
    """AWS does not accept, or cannot find, the credentials that all targets need."""


class ClosedWindowError(ImageBuildersError):
    """The window that was asked for is not open; AppStream tells only the present."""


class OlderWindowError(ImageBuildersError):
    """A look at some image builders would go into a window that is older than another committed one."""

    exit_code = 2


class TargetsNotSeenError(ImageBuildersError):
    """Targets were not seen, and the settings ask for a run that fails then. What was seen is committed."""

    exit_code = 3


class WarehouseError(ImageBuildersError):
    """The warehouse cannot be read or written."""


class NoSnapshotError(WarehouseError):
    """The warehouse holds no committed snapshot yet."""


class PricesError(ImageBuildersError):
    """AWS's price list cannot be read, or has no price of an image builder."""


class InstanceError(ImageBuildersError):
    """Dagster's instance, the folder where it keeps its runs, cannot be read or written."""


class AlertError(ImageBuildersError):
    """Slack or a webhook did not accept an alert; the sensor sends it again at its next tick."""


class QueryError(ImageBuildersError):
    """DuckDB refuses the SQL."""

    exit_code = 2


class QueryTimeoutError(ImageBuildersError):
    """A question took longer than it was given."""


class ViewError(ImageBuildersError):
    """A file of sql/ has no valid header or query. It is this package's own mistake, or that of who edits sql/."""

    exit_code = 2


class MalformedReplyError(Exception):
    """A reply of status 200 that is not a page of image builders. Retried, then an error of its target."""


def missing_extra(what: str, extra: str, error: ImportError) -> ConfigurationError:
    """Says how to install the optional packages that something needs."""
    return ConfigurationError(
        f"{what} needs packages that are not installed ({error.name}): run pip install '.[{extra}]' in a clone of the "
        "repository."
    )


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that is most like a mistyped one; None where none is like it (`cutoff`: 0 to 1, 1 is equal)."""
    return next(iter(difflib.get_close_matches(word, list(known), 1, cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", prefix: str = "") -> str:
    """The end of a sentence about a name that does not exist: the nearest known one, or `otherwise`."""
    near = nearest(word, known)
    return f"did you mean {prefix}{near}?" if near else otherwise


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 row, 2 rows, 1,234 rows; `many` is the plural where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
