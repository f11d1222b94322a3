"""The names that prices know operating systems by, and how AWS's and users' words for them are recognized."""

from __future__ import annotations

import re

ANY = "*"
"""Any operating system, region or instance type, in a price."""

PATTERNS = (
    (r"byol|bring your own|windows[ _]1[01]", "BYOL"),
    (r"windows", "Windows"),
    (r"amazon[ _]?linux", "Amazon Linux"),
    (r"rhel|red ?hat", "RHEL"),
    (r"rocky", "Rocky Linux"),
    (r"ubuntu", "Ubuntu Pro"),
)
"""Regular expressions for lower-case text, in the syntax that Python and SQL engines share, and the names; the first
that matches counts. Windows 10 and 11 are billed as BYOL."""


BILLED_BY_SECOND = ("Amazon Linux", "RHEL", "Rocky Linux")
"""Whose sessions AWS bills by the second; those of others by whole hours. Source: AppStream 2.0 Pricing, On-Demand."""


def operating_system(text: str) -> str:
    """The name of an operating system, from AWS's word in price lists or in AppStream's API, or a user's.

    A word that is not recognized is its own name; none at all means any.
    """
    return next((name for pattern, name in PATTERNS if re.search(pattern, text.lower())), text or ANY)
