"""boto3 sessions and clients with this project's timeouts and retries. `credentials` decides whose keys they use."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

import boto3
import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.loaders import create_loader

from pipeline import __version__
from pipeline.aws import replies
from pipeline.errors import ConfigurationError

CONNECT_TIMEOUT = 10
"""Seconds."""

# boto3 reads AWS_DEFAULT_REGION and the profile; the other SDKs, and Lambda, call it AWS_REGION. Read through botocore,
# so that all of AWS's settings come by one way.
_SESSION_VARIABLES = {"other_sdks_region": (None, "AWS_REGION", None, None)}

_client_lock = threading.Lock()


@dataclass(frozen=True)
class Effort:
    """How much a call is worth: botocore's attempts, and the seconds that it waits for each next byte."""

    attempts: int
    read_timeout: int


THOROUGH = Effort(5, 30)
"""For calls that a run cannot go on without."""

PLANNING = Effort(2, 10)
"""For calls that a plan can do without."""

BRIEF = Effort(2, 20)
"""For calls that the sweep itself retries, or that can be done without."""


def new_session() -> boto3.Session:
    """A session from boto3's own settings: profiles and AWS_* variables.

    Raises ConfigurationError when the profile does not exist, or the configuration cannot be read.
    """
    try:
        session = boto3.Session(botocore_session=botocore.session.get_session(_SESSION_VARIABLES))
        session._session.get_scoped_config()  # Read now, so that a mistake in it is reported now.
        session._session.register_component("data_loader", _loader(session._session.get_config_variable("data_path")))
    except ProfileNotFound as error:
        raise ConfigurationError(f"{error}: set AWS_PROFILE to a profile of your AWS configuration.") from error
    except BotoCoreError as error:
        raise ConfigurationError(f"The AWS configuration cannot be read: {str(error).rstrip('.')}.") from error
    return session


@functools.cache
def _loader(data_path: str | None) -> Any:
    # Service models and the list of regions are large: a process reads them once, however many sessions it has.
    return create_loader(data_path)


def configured_region(session: boto3.Session) -> str | None:
    """The region that boto3 is configured for, else that of AWS_REGION, else None."""
    region: str | None = session.region_name or session._session.get_config_variable("other_sdks_region")
    return region


def retries_adapt(session: boto3.Session) -> bool:
    """Whether the user asked for botocore's adaptive retries, with which one client slows down for all who share it."""
    return bool(session._session.get_config_variable("retry_mode") == "adaptive")


def client(
    session: boto3.Session,
    service: str,
    region: str,
    effort: Effort = THOROUGH,
    connections: int = 10,
    limits: replies.Limits = replies.LIMITS,
) -> Any:
    """A client with this project's timeouts, and its number of attempts unless the user has set one.

    `connections` is the size of its connection pool; `limits` are what its replies are held to.

    Raises ConfigurationError for boto3 settings that are not valid, a retry mode or an endpoint for instance.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=effort.read_timeout,
        max_pool_connections=connections,
        user_agent=_user_agent(session),
    )
    try:
        # A Config outranks the environment and the profile, so an attempts setting of the user's is left alone.
        if session._session.get_config_variable("max_attempts") is None:
            config = config.merge(Config(retries={"total_max_attempts": effort.attempts}))
        with _client_lock:  # Threads may share clients, but a session must not create two at once.
            return replies.bound(session.client(service, region_name=region, config=config), limits)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"boto3 cannot be used as it is configured: {str(error).rstrip('.')}.") from error


def partition_of(session: boto3.Session, region: str) -> str:
    """The partition of a region: aws, aws-cn, aws-us-gov and so on; of an unknown region, that of its name's pattern.

    Raises ConfigurationError where botocore knows none.
    """
    try:
        return str(session.get_partition_for_region(region))
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS has no region '{region}', as far as the installed botocore knows.") from error


def _user_agent(session: boto3.Session) -> str:
    # A fixed string: botocore composes its own anew for every request, at a tenth of what a request costs.
    own = f"image-builders/{__version__} Boto3/{boto3.__version__} Botocore/{botocore.__version__}"
    app = session._session.get_config_variable("user_agent_appid")
    return f"{own} app/{app}" if app else own
