"""One run of the job in this process, on Dagster's instance, and what came of it. For the command line and the demo."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipeline.aws.redaction import redacted
from pipeline.contract import EXTRACTS, TABLES
from pipeline.defs.instance import prepare_home
from pipeline.defs.prices import JOB as PRICES_JOB
from pipeline.defs.schedules import JOB
from pipeline.errors import ConfigurationError, ImageBuildersError
from pipeline.views import database as views
from pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Outcome:
    """A committed snapshot, and how many targets this run looked at and did not see."""

    snapshot_id: str
    targets: int
    not_seen: int
    remarks: tuple[str, ...] = ()
    """What is to be known of accounts that were left out, or of which more was tried than they may have."""
    afterwards: str | None = None
    """What failed once it was committed: the views, or a check."""


class RunFailedError(ImageBuildersError):
    """The run committed nothing; the message says why, `exit_code` what kind of reason it was."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_prices(definitions: dg.Definitions, warehouse: str) -> int:
    """Runs the job of the price list; returns how many prices there are. Raises RunFailedError."""
    result = _execute(definitions, warehouse, PRICES_JOB)
    made = [e.materialization.metadata for e in result.get_asset_materialization_events()]
    if not result.success or not made:
        raise _failed([e.step_failure_data for e in result.all_events if e.is_step_failure])
    count: int = made[0]["dagster/row_count"].value  # type: ignore[assignment]
    return count


def _execute(definitions: dg.Definitions, warehouse: str, job: str, **options: Any) -> dg.ExecuteInProcessResult:
    prepare_home(warehouse)
    run_config = options.pop("run_config", {}) | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return definitions.resolve_job_def(job).execute_in_process(
                instance=instance, run_config=run_config, raise_on_error=False, **options
            )
        except dg.DagsterInvalidConfigError as error:
            raise ConfigurationError(" ".join(str(error).split())) from error


def run(
    definitions: dg.Definitions, partition_key: str, config: dict[str, Any], warehouse: str, only_tables: bool = False
) -> Outcome:
    """Runs the job for a window; or of it what makes and checks the tables, and then builds the file of views alone.

    Raises RunFailedError with the failed step's own sentence.
    """
    result = _execute(
        definitions,
        warehouse,
        JOB,
        partition_key=partition_key,
        run_config={"ops": {"snapshot": {"config": config}}},
        asset_selection=[dg.AssetKey(t.name) for t in TABLES] if only_tables else None,
    )
    committed = [
        e.materialization.metadata
        for e in result.get_asset_materialization_events()
        if e.materialization.asset_key == dg.AssetKey(EXTRACTS.name)
    ]
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    if not committed:
        raise _failed(failures)
    told: dict[str, Any] = {key: value.value for key, value in committed[0].items()}
    trouble: ImageBuildersError | None = _failed(failures) if failures else None
    if only_tables and not failures:
        try:
            views.build(Warehouse(warehouse))
        except ImageBuildersError as error:
            trouble = error
    afterwards = f"The snapshot is committed, but then: {trouble}" if trouble else None
    observed: list[Any] = [
        e.asset_observation_data.asset_observation.metadata["remarks"].value
        for e in result.all_events
        if e.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    remarks = tuple(remark for remarks in observed for remark in remarks)
    return Outcome(told["snapshot_id"], told["targets"], told["targets_not_seen"], remarks, afterwards)


def _failed(failures: list[Any]) -> RunFailedError:
    for failure in failures:
        if failure.user_failure_data:
            metadata = failure.user_failure_data.metadata
            exit_code = metadata["exit_code"].value if "exit_code" in metadata else 1
            return RunFailedError(failure.user_failure_data.description or "The run failed.", exit_code)
    for failure in failures:
        error = failure.error
        while error and error.cause:
            error = error.cause  # Dagster's own is about the step; the first of the chain is about the matter.
        if error and error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
            return RunFailedError("Interrupted; nothing was committed.", 130)
        if error:
            return RunFailedError(
                f"The run failed ({redacted(' '.join(error.message.split()))}); Dagster's log has the details."
            )
    return RunFailedError("The run failed; Dagster's log has the details.")
