"""How errors end a step: with the sentence that is meant for the user, retried or not."""

import contextlib
from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipeline import shown
from pipeline.errors import ClosedWindowError, ConfigurationError, CredentialsError, ImageBuildersError

STEP_RETRIES, STEP_RETRY_SECONDS = 2, 10


@contextlib.contextmanager
def fail_with_sentence() -> Iterator[None]:
    """An error that has a sentence for the user fails the step with that sentence, without retries."""
    try:
        yield
    except ImageBuildersError as error:
        raise _failure(error, allow_retries=False) from error


REFUSED, REFUSED_EXIT_CODE = "image_builders/refused", "image_builders/exit_code"
"""Tags of a run that was refused: the sentence, and the exit code of a command that ends with it."""


def refuse(context: dg.OpExecutionContext, error: ImageBuildersError) -> None:
    """Says in the log, and in the run's tags, why a run makes nothing.

    It does not fail: Dagster would paint every table, check and partition of the run as failed, and those of a window
    that is over are as good as they were, with no later run to mend the colour.
    """
    sentence = shown.log(str(error))
    context.log.error(sentence)
    tags = {REFUSED: sentence, REFUSED_EXIT_CODE: str(error.exit_code)}
    context.instance.add_run_tags(context.run_id, tags)


@contextlib.contextmanager
def retry_what_may_pass() -> Iterator[None]:
    """An error that may pass, a warehouse out of reach for instance, has the step retried; an interrupt has not."""
    try:
        yield
    except (ConfigurationError, CredentialsError, ClosedWindowError):
        raise
    except Exception as error:
        cause = _failure(error, allow_retries=True) if isinstance(error, ImageBuildersError) else error
        raise dg.RetryRequested(STEP_RETRIES, STEP_RETRY_SECONDS) from cause


def _failure(error: ImageBuildersError, allow_retries: bool) -> dg.Failure:
    metadata: dict[str, Any] = {"exit_code": error.exit_code, "error": type(error).__name__}
    return dg.Failure(shown.log(str(error)), metadata=metadata, allow_retries=allow_retries)
