"""boto3 as this project uses it: sessions, clients, credentials, roles, what failures mean, redaction of secrets.

Not here: which accounts and regions there are (`targets`), what is asked of them (`extract`).
"""

from pipeline.aws.access import Access
from pipeline.aws.credentials import Role
from pipeline.aws.sessions import new_session

__all__ = ["Access", "Role", "new_session"]
