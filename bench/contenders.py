"""The ways of listing image builders that are compared, each a function of a folder to write to.

`python -m bench.contenders NAME` does its work once for every line on standard input, and prints for each the
seconds it took and the process's peak memory in MiB.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

PAGE_SIZE = 100


def pages(client: Any) -> Iterator[dict[str, Any]]:
    """boto3's own paginator."""
    yield from client.get_paginator("describe_image_builders").paginate(PaginationConfig={"PageSize": PAGE_SIZE})


def boto3_loop() -> Callable[[Path], None]:
    import boto3

    client = boto3.client("appstream")

    def work(folder: Path) -> None:
        for _ in pages(client):
            pass

    return work


def this_project() -> Callable[[Path], None]:
    from pipeline import aws
    from pipeline.appstream import Selection
    from pipeline.credentials import Access
    from pipeline.sweep import Sweep
    from pipeline.targets import Target
    from pipeline.warehouse import Extracted, Warehouse
    from pipeline.windows import Window

    sweep = Sweep(Access(aws.new_session()), lambda: datetime.now(UTC), Selection(page_size=PAGE_SIZE))

    def work(folder: Path) -> None:
        warehouse = Warehouse(str(folder))
        with warehouse.stage("bench") as (stream, sink):
            rows = sweep.run([Target("123456789012", "us-east-1", "aws")], sink)
        assert rows[0]["status"] == "ok", rows
        warehouse.publish(Window.at("daily", datetime.now(UTC)), [Extracted(rows, stream)])

    return work


def dlt_pipeline() -> Callable[[Path], None]:
    import boto3
    import dlt

    client = boto3.client("appstream")

    def work(folder: Path) -> None:
        def image_builders() -> Iterator[Any]:
            for page in pages(client):
                yield page["ImageBuilders"]

        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=str(folder / "state"),
            destination=dlt.destinations.filesystem(f"file://{folder}/lake"),
            dataset_name="appstream",
        )
        resource = dlt.resource(image_builders, name="image_builders", write_disposition="replace")
        pipeline.run(resource, loader_file_format="parquet")

    return work


def from_pylist() -> Callable[[Path], None]:
    import boto3
    import pyarrow as pa
    import pyarrow.parquet as pq

    client = boto3.client("appstream")

    def work(folder: Path) -> None:
        rows = [builder for page in pages(client) for builder in page["ImageBuilders"]]
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(rows), folder / "image_builders.parquet", compression="zstd")

    return work


def drained() -> Callable[[Path], None]:
    import boto3

    client = boto3.client("appstream")

    def take(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
        tail = response_dict["body"][-64:].decode()
        token = tail.rpartition('"NextToken":"')[2].partition('"')[0] if '"NextToken"' in tail else None
        response_dict["body"] = b"{}"
        customized_response_dict |= {"ImageBuilders": [], "NextToken": token}

    client.meta.events.register("before-parse.appstream.DescribeImageBuilders", take)

    def work(folder: Path) -> None:
        for _ in pages(client):
            pass

    return work


CONTENDERS: dict[str, Callable[[], Callable[[Path], None]]] = {
    "boto3_loop": boto3_loop,
    "this_project": this_project,
    "dlt_pipeline": dlt_pipeline,
    "from_pylist": from_pylist,
    "drained": drained,
}


def main(name: str, answers: TextIO) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    work = CONTENDERS[name]()
    for _ in sys.stdin:
        folder = Path(tempfile.mkdtemp()) / "out"
        start = time.perf_counter()
        work(folder)
        seconds = time.perf_counter() - start
        shutil.rmtree(folder.parent)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(f"{seconds} {peak}\n")
        answers.flush()


if __name__ == "__main__":
    # What a library prints is not a measurement.
    answers, sys.stdout = sys.stdout, sys.stderr
    main(sys.argv[1], answers)
