"""Runs that a process executes itself: where Dagster's pages find them, and what becomes of one that was killed.

Dagster gives an origin only to runs that its daemon or its pages launch; without one, a run is on neither the page of
its job nor the timeline. And it watches over those runs alone: of a process that is killed, the run would be STARTED
for ever. So each process holds a lock on a file while its run lasts, and whoever finds such a file without a lock ends
the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

LOCATION = "image-builders"
"""The code location's name, in pyproject.toml and workspace.yaml alike."""

FOLDER = "running"
"""The folder of the files, in Dagster's home."""

KILLED = "The process of this run has ended without saying so: it was killed, or its machine went down."


@contextlib.contextmanager
def shown_instance(job: str) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance; runs of `job` that are created on it have the origin by which its pages find them."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), SINGLETON_REPOSITORY_NAME)
    with dg.DagsterInstance.get() as instance:
        # execute_in_process creates the run itself, and hands no origin on.
        created: Any = functools.partial(
            instance.create_run_for_job, remote_job_origin=RemoteJobOrigin(repository, job)
        )
        instance.create_run_for_job = created  # type: ignore[method-assign]
        yield instance


@contextlib.contextmanager
def held(home: Path, run_id: str) -> Iterator[None]:
    """While it lasts, says that the run's process is there."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / run_id
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def end_killed(home: Path) -> list[str]:
    """Ends the runs of Dagster's home whose processes are gone, as failed; returns their ids."""
    ended = []
    for path in sorted((home / FOLDER).glob("*")):
        with contextlib.suppress(OSError), path.open() as file:  # It is locked, or has gone meanwhile.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with dg.DagsterInstance.get() as instance:
                run = instance.get_run_by_id(path.name)
                if run is not None and not run.is_finished:
                    instance.report_run_failed(run, KILLED)
                    ended.append(path.name)
            path.unlink(missing_ok=True)
    return ended
