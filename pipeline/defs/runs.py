"""Runs a job in this process, on Dagster's instance, and says how it ended. For the command line and the demo."""

from __future__ import annotations

import contextlib
import uuid
import warnings
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg

from pipeline import views
from pipeline.aws.redaction import redacted
from pipeline.contract import EXTRACTS, TABLES
from pipeline.defs.catalog import key_of
from pipeline.defs.failures import REFUSED, REFUSED_EXIT_CODE
from pipeline.defs.instance import prepare_home, told_of_instance
from pipeline.defs.own_runs import end_killed, held, shown_instance
from pipeline.defs.prices import JOB as PRICES_JOB
from pipeline.defs.schedules import JOB
from pipeline.defs.telling import COMMITTED
from pipeline.errors import ConfigurationError, ImageBuildersError, InstanceError, TargetsNotSeenError, WarehouseError
from pipeline.settings import Environment
from pipeline.warehouse import Warehouse


@dataclass(frozen=True)
class Outcome:
    """A committed snapshot, and how many targets this run looked at and did not see."""

    snapshot_id: str
    targets: int
    not_seen: int
    remarks: tuple[str, ...] = ()
    """Sentences on accounts that were left out, or of which regions were tried that they may not have."""
    afterwards: str | None = None
    """What failed after the commit: the views, or a check."""
    coverage: str = ""
    """How the look at each target went, as a table in Markdown: for who finds the snapshot replaced already."""


class RunFailedError(ImageBuildersError):
    """The run committed nothing; the message says why, `exit_code` which kind of reason it was."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_prices(definitions: dg.Definitions, environment: Environment) -> tuple[int, list[dict[str, str]]]:
    """Runs the job of the price list; returns how many prices there are, and the products that could not be placed, as
    `extract.price_list.Unplaced` has them. Raises RunFailedError.
    """
    result = _execute(definitions, environment.warehouse, PRICES_JOB, str(uuid.uuid4()))
    made = [e.materialization.metadata for e in result.get_asset_materialization_events()]
    if not result.success or not made:
        raise _failed([e.step_failure_data for e in result.all_events if e.is_step_failure])
    count, unplaced = (made[0][name].value for name in ("dagster/row_count", "unplaced"))
    return cast("int", count), cast("list[dict[str, str]]", unplaced)


def _execute(
    definitions: dg.Definitions, warehouse: str, job: str, run_id: str, **options: Any
) -> dg.ExecuteInProcessResult:
    home = prepare_home(warehouse)
    run_config = options.pop("run_config", {}) | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with told_of_instance(home), warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        end_killed(home)
        instance = stack.enter_context(shown_instance(job))
        stack.enter_context(held(home, run_id))
        try:
            return definitions.resolve_job_def(job).execute_in_process(
                instance=instance, run_config=run_config, raise_on_error=False, run_id=run_id, **options
            )
        except dg.DagsterInvalidConfigError as error:
            raise ConfigurationError(" ".join(str(error).split())) from error


def run(
    definitions: dg.Definitions,
    environment: Environment,
    partition_key: str,
    config: dict[str, Any],
    only_tables: bool = False,
) -> Outcome:
    """Runs the job for a window. With `only_tables`, only the steps that make and check the tables, and then builds the
    file of views.

    Raises RunFailedError with the failed step's own sentence.
    """
    run_id = str(uuid.uuid4())
    try:
        result = _execute(
            definitions,
            environment.warehouse,
            JOB,
            run_id,
            partition_key=partition_key,
            run_config={"ops": {"snapshot": {"config": config}}},
            asset_selection=[key_of(t.name) for t in TABLES] if only_tables else None,
        )
    except InstanceError as error:
        if snapshot_id := _committed_by(run_id, Warehouse.of(environment)):
            raise InstanceError(f"The snapshot {snapshot_id} is committed, but then: {error}") from error
        raise
    committed = [
        e.materialization.metadata
        for e in result.get_asset_materialization_events()
        if e.materialization.asset_key == key_of(EXTRACTS.name)
    ]
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    if not committed:
        raise _not_told(result.run_id, _failed(failures))
    metadata: dict[str, Any] = {key: value.value for key, value in committed[0].items()}
    # Targets that were not seen are counted below, whether or not the settings have the run fail for them.
    broken = [failure for failure in failures if not _is(failure, TargetsNotSeenError)]
    trouble: ImageBuildersError | None = _failed(broken) if broken else None
    if only_tables and not broken:
        try:
            views.build(Warehouse.of(environment), views.Settings.read(environment))
        except ImageBuildersError as error:
            trouble = error
    afterwards = f"The snapshot is committed, but then: {trouble}" if trouble else None
    observed: list[Any] = [
        e.asset_observation_data.asset_observation.metadata["remarks"].value
        for e in result.all_events
        if e.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    remarks = tuple(remark for remarks in observed for remark in remarks)
    return Outcome(
        metadata["snapshot_id"],
        metadata["targets"],
        metadata["targets_not_seen"],
        remarks,
        afterwards,
        metadata["coverage"],
    )


def _committed_by(run_id: str, home: Warehouse) -> str | None:
    """The newest snapshot, if it has looks of a run: what Dagster knows of the run may be lost."""
    with contextlib.suppress(WarehouseError):
        newest = home.newest()
        if newest and run_id in home.read(EXTRACTS, newest)["run_id"].to_pylist():
            return newest
    return None


def _is(failure: Any, kind: type[ImageBuildersError]) -> bool:
    metadata = failure.user_failure_data.metadata if failure.user_failure_data else {}
    return "error" in metadata and metadata["error"].value == kind.__name__


def _not_told(run_id: str, failure: RunFailedError) -> RunFailedError:
    """Why a run has told of no snapshot: it was refused, or failed, or ended between the commit and the telling."""
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
    tags = run.tags if run else {}
    if REFUSED in tags:
        return RunFailedError(tags[REFUSED], int(tags[REFUSED_EXIT_CODE]))
    if COMMITTED in tags:
        said = str(failure).replace("; nothing was committed", "")
        return RunFailedError(f"The snapshot {tags[COMMITTED]} is committed, but then: {said}", failure.exit_code)
    return failure


def _failed(failures: list[Any]) -> RunFailedError:
    for failure in failures:
        if failure.user_failure_data:
            metadata = failure.user_failure_data.metadata
            exit_code = metadata["exit_code"].value if "exit_code" in metadata else 1
            return RunFailedError(failure.user_failure_data.description or "The run failed.", exit_code)
    for failure in failures:
        error = failure.error
        while error and error.cause:
            error = error.cause  # Dagster's own error is about the step; the first of the chain is the reason.
        if error and error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            return RunFailedError("Interrupted; nothing was committed.", 130)
        if error:
            return RunFailedError(
                f"The run failed ({redacted(' '.join(error.message.split()))}); Dagster's log has the details."
            )
    return RunFailedError("The run failed; Dagster's log has the details.")
