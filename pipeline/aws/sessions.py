"""boto3 sessions and clients, made the way every part of this project wants them.

Who is looked at, and how a listing runs, are other modules' subjects.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

import boto3
import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound

from pipeline import __version__
from pipeline.errors import ConfigurationError

CONNECT_TIMEOUT = 10
"""Seconds."""


@dataclass(frozen=True)
class Effort:
    """How often botocore makes a call before it fails, and how many seconds it waits for each next byte."""

    attempts: int
    read_timeout: int


THOROUGH = Effort(5, 30)
"""For what nothing goes on without."""

PLANNING = Effort(2, 10)
"""For what a plan can do without."""

BRIEF = Effort(2, 20)
"""For what is tried again by other means, or can be done without."""

_MAKING = threading.Lock()


def new_session() -> boto3.Session:
    """A session from boto3's own settings: profiles and AWS_* variables.

    Raises ConfigurationError when the profile does not exist, or the configuration cannot be read.
    """
    try:
        session = boto3.Session(botocore_session=botocore.session.get_session())
        session._session.get_scoped_config()  # Read now, so that what is wrong with it is told now.
    except ProfileNotFound as error:
        raise ConfigurationError(f"{error}: set AWS_PROFILE to a profile of your AWS configuration.") from error
    except BotoCoreError as error:
        raise ConfigurationError(f"The AWS configuration cannot be read: {str(error).rstrip('.')}.") from error
    return session


def client(session: boto3.Session, service: str, region: str, effort: Effort = THOROUGH, connections: int = 10) -> Any:
    """A client with this project's timeouts, and with its retries where the user has set none.

    `connections` is how many are kept open.

    Raises ConfigurationError for settings of boto3's that cannot be, a retry mode or an endpoint for instance.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=effort.read_timeout,
        max_pool_connections=connections,
        user_agent=_user_agent(),
    )
    try:
        with _MAKING:  # Clients may be shared among threads, but a session must not make two at once.
            return session.client(service, region_name=region, config=config.merge(_retries(session, effort.attempts)))
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"boto3 cannot be used as it is configured: {str(error).rstrip('.')}.") from error


def _user_agent() -> str:
    # In one piece: botocore puts its own together anew for every request, at a tenth of what a request costs.
    own = f"image-builders/{__version__} Boto3/{boto3.__version__} Botocore/{botocore.__version__}"
    app = os.environ.get("AWS_SDK_UA_APP_ID")
    return f"{own} app/{app}" if app else own


def partition_of(session: boto3.Session, region: str) -> str:
    """The partition of a region: aws, aws-cn, aws-us-gov and so on; of an unknown one, that of its name's pattern.

    Raises ConfigurationError where botocore knows none.
    """
    try:
        return str(session.get_partition_for_region(region))
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS has no region '{region}', as far as the installed botocore knows.") from error


def _retries(session: boto3.Session, attempts: int) -> Config:
    # A Config outranks the environment and the profile, so what the user set there is left alone.
    profile = session._session.get_scoped_config()
    retries: dict[str, Any] = {}
    if "AWS_RETRY_MODE" not in os.environ and "retry_mode" not in profile:
        retries["mode"] = "standard"
    if "AWS_MAX_ATTEMPTS" not in os.environ and "max_attempts" not in profile:
        retries["total_max_attempts"] = attempts
    return Config(retries=retries) if retries else Config()
