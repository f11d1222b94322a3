"""AWS, the warehouse, the clock and who is told of progress, as Dagster resources. Tests and the demo replace them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from pipeline.aws import sessions as aws
from pipeline.aws.credentials import Access
from pipeline.defs.instance import warehouse_location
from pipeline.extract.look import Patience
from pipeline.extract.sweep import Progress
from pipeline.warehouse.warehouse import Warehouse

_LOG_EVERY = 5.0


class AwsResource(dg.ConfigurableResource):
    """boto3 with its own settings, and how patient to be with a page that fails."""

    page_retries: int = Patience.retries
    page_retry_seconds: float = Patience.seconds

    def access(self, connections: int = 10) -> Access:
        """Clients and credentials, for as long as a step runs; so many connections a region are kept open."""
        return Access(aws.new_session(), connections)

    @property
    def patience(self) -> Patience:
        return Patience(self.page_retries, self.page_retry_seconds)


class WarehouseResource(dg.ConfigurableResource):
    """The warehouse at a folder or s3:// URI; IMAGE_BUILDERS_WAREHOUSE, else ./warehouse, where none is given."""

    location: str = ""

    def open(self) -> Warehouse:
        return Warehouse(self.location or warehouse_location())


class ClockResource(dg.ConfigurableResource):
    """The time. `at`, an ISO 8601 moment with its zone, makes it stand still."""

    at: str = ""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at) if self.at else datetime.now(UTC)


class ProgressResource(dg.ConfigurableResource):
    """Who is told how far a sweep has come: by default the run's log, every few seconds."""

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
