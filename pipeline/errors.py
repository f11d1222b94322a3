"""The errors a user can act on: one sentence each, and the exit code the command line gives it.

What went wrong with one *target* is not here: that is data, a row of `extracts`.
"""

from __future__ import annotations


class ImageBuildersError(Exception):
    """Base of every error whose message is meant for the person at the keyboard."""

    exit_code = 1


class ConfigurationError(ImageBuildersError):
    """Settings, options or the targets file ask for something that cannot be. Nothing was tried."""

    exit_code = 2


class CredentialsError(ImageBuildersError):
    """AWS does not accept, or cannot find, the credentials that all targets need."""


class ClosedWindowError(ImageBuildersError):
    """The window asked for is not open now; AppStream can only be observed now."""


class WarehouseError(ImageBuildersError):
    """The warehouse cannot be read or written."""


class NoSnapshotError(WarehouseError):
    """The warehouse holds no committed snapshot yet."""


class PricesError(ImageBuildersError):
    """AWS does not tell what image builders cost."""


class AlertError(ImageBuildersError):
    """Slack or a webhook does not take an alert; it is told again at the next tick."""


class QueryError(ImageBuildersError):
    """DuckDB refuses the SQL."""

    exit_code = 2


class MalformedReplyError(Exception):
    """A reply of status 200 that is not a page of image builders. Tried again, then an error of its target."""
