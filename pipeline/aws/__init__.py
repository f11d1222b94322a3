"""boto3 as this project uses it: sessions, clients, credentials, roles, what failures mean, redaction of secrets.

Not here: which accounts and regions there are (`targets`), what is asked of them (`extract`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.faces import loaded_when_asked_for

if TYPE_CHECKING:
    from pipeline.aws.access import Access
    from pipeline.aws.credentials import Role
    from pipeline.aws.sessions import new_session

# boto3 takes half a second to be loaded, and who asks the warehouse a question makes no call of AWS.
__getattr__ = loaded_when_asked_for(__name__, {"Access": "access", "Role": "credentials", "new_session": "sessions"})

__all__ = ["Access", "Role", "new_session"]
