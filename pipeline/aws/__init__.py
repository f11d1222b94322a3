"""boto3 as this project uses it: sessions, clients, credentials, roles, what failures mean, redaction of secrets.

Not here: which accounts and regions there are (`targets`), what is asked of them (`extract`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.aws.access import Access
    from pipeline.aws.credentials import Role
    from pipeline.aws.sessions import new_session

_LIVES_IN = {"Access": "access", "Role": "credentials", "new_session": "sessions"}


def __getattr__(name: str) -> Any:
    """boto3 takes half a second to be loaded, and who asks the warehouse a question makes no call of AWS."""
    if name not in _LIVES_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LIVES_IN[name]}"), name)


__all__ = ["Access", "Role", "new_session"]
