"""AWS, the warehouse, the clock and the progress report as Dagster resources. Tests and the demo replace them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
from pydantic import PrivateAttr

from pipeline import views
from pipeline.aws import Access, new_session
from pipeline.aws.bounds import DEADLINE
from pipeline.extract import RetryPolicy
from pipeline.extract.limits import LookLimits
from pipeline.extract.sweep import Progress
from pipeline.warehouse import Warehouse
from pipeline.warehouse.warehouse import GRACE

_LOG_EVERY = 5.0


class AwsResource(dg.ConfigurableResource):
    """boto3 with its own settings; how often a page that fails is fetched again; the seconds that a look may take."""

    page_retries: int = RetryPolicy.retries
    page_retry_seconds: float = RetryPolicy.seconds
    look_deadline: float = DEADLINE

    def access(self, connections: int = 10) -> Access:
        """Clients and credentials for a step; `connections` is the size of each region's connection pool."""
        return Access(new_session(), connections)

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(self.page_retries, self.page_retry_seconds)

    @property
    def limits(self) -> LookLimits:
        return LookLimits(self.look_deadline)


class WarehouseResource(dg.ConfigurableResource):
    """The warehouse at a folder or s3:// URI; `grace`: seconds before superseded files are removed; `kms_key`: the KMS
    key of objects in S3, the bucket's own without one.
    """

    location: str
    grace: float = GRACE
    kms_key: str = ""

    _answers: dict[views.Settings, views.Answers] = PrivateAttr(default_factory=dict)

    def open(self) -> Warehouse:
        return Warehouse(self.location, self.grace, kms_key=self.kms_key or None)

    def answers(self, settings: views.Settings) -> views.Answers:
        """The views of now, for all steps of a run that ask in this process: what they read is computed once."""
        if settings in self._answers:
            return self._answers[settings].of_now()
        self._answers[settings] = answers = views.Answers(self.open(), settings)
        return answers

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        while self._answers:
            self._answers.popitem()[1].close()


class ClockResource(dg.ConfigurableResource):
    """The time; `at`, an ISO 8601 moment with its zone, stops it there."""

    at: str = ""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at) if self.at else datetime.now(UTC)


class ProgressResource(dg.ConfigurableResource):
    """Where the progress of a sweep is reported: by default the run's log, every few seconds."""

    def reporter(self, log: dg.DagsterLogManager) -> Callable[[Progress], None]:
        last = time.monotonic()

        def report(progress: Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= _LOG_EVERY:
                last = time.monotonic()
                log.info(
                    f"{progress.done} of {progress.targets} targets done, {progress.builders} image builders, "
                    f"{progress.failed} targets not seen"
                )

        return report
