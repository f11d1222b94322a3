"""The ways of listing image builders that are compared, each a function of a folder to write to.

`python -m bench.contenders NAME` does its work once for every line on standard input, and prints for each the
seconds it took, the processor's seconds that it used, and the process's peak memory in MiB.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

PAGE_SIZE = 100
AT_ONCE = int(os.environ.get("BENCH_AT_ONCE", "32"))


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
    from pipeline.aws import Access, sessions
    from pipeline.extract import Selection, Sweep
    from pipeline.targets import Target
    from pipeline.warehouse import Extracted, Warehouse
    from pipeline.windows import Window

    sweep = Sweep(Access(sessions.new_session()), lambda: datetime.now(UTC), Selection(page_size=PAGE_SIZE))

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
    drain(client)

    def work(folder: Path) -> None:
        for _ in pages(client):
            pass

    return work


def drain(client: Any) -> None:
    """Has a client throw its pages away before it parses them."""

    def take(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
        tail = response_dict["body"][-64:].decode()
        token = tail.rpartition('"NextToken":"')[2].partition('"')[0] if '"NextToken"' in tail else None
        response_dict["body"] = b"{}"
        customized_response_dict |= {"ImageBuilders": [], "NextToken": token}

    client.meta.events.register("before-parse.appstream.DescribeImageBuilders", take)


def targets() -> list[tuple[str, str]]:
    """Account and region of as many targets as BENCH_ACCOUNTS accounts have in twenty regions."""
    import boto3

    regions = boto3.Session().get_available_regions("appstream")[:20]
    return [(f"{n:012d}", r) for n in range(1, int(os.environ["BENCH_ACCOUNTS"]) + 1) for r in regions]


def sweep_this_project() -> Callable[[Path], None]:
    from pipeline.aws import Access, Role, sessions
    from pipeline.extract import Sweep
    from pipeline.targets import Target
    from pipeline.warehouse import Extracted, Warehouse
    from pipeline.windows import Window

    part, of = map(int, os.environ.get("BENCH_PART", "0/1").split("/"))
    wanted = [Target(a, r, "aws", (Role(f"arn:aws:iam::{a}:role/reader"),)) for a, r in targets()][part::of]

    def work(folder: Path) -> None:
        warehouse = Warehouse(str(folder))
        with warehouse.stage("bench") as (stream, sink):
            sweep = Sweep(Access(sessions.new_session(), AT_ONCE), lambda: datetime.now(UTC), concurrency=AT_ONCE)
            rows = sweep.run(wanted, sink)
        assert {row["status"] for row in rows} == {"ok"}
        warehouse.publish(Window.at("daily", datetime.now(UTC)), [Extracted(rows, stream)])

    return work


def sweep_in_two_processes() -> Callable[[Path], None]:
    """Half of the targets each, and half as many at once, as two shards of a run have them."""
    command = [sys.executable, "-m", "bench.contenders", "sweep_this_project"]
    both = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"BENCH_PART": f"{part}/2", "BENCH_AT_ONCE": str(AT_ONCE // 2)},
        )
        for part in range(2)
    ]

    def work(folder: Path) -> None:
        folder.mkdir()
        for process in both:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in both:
            assert process.stdout
            process.stdout.readline()

    return work


def sweep_botocore() -> Callable[[Path], None]:
    """The calls by botocore alone and as many threads: a client a region, known keys, the pages thrown away."""
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    from botocore.config import Config

    wanted = targets()
    session, config = boto3.Session(), Config(max_pool_connections=AT_ONCE)
    clients = {region: session.client("appstream", region, config=config) for region in {r for _, r in wanted}}
    for client in clients.values():
        drain(client)

    def work(folder: Path) -> None:
        folder.mkdir()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda target: list(pages(clients[target[1]])), wanted):
                pass

    return work


def sweep_script() -> Callable[[Path], None]:
    """What people write: a pool of as many threads, a session and a client for each target, pandas at the end."""
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    import pandas as pd

    wanted = targets()

    def assume(account: str) -> dict[str, str]:
        told = (
            boto3.Session()
            .client("sts")
            .assume_role(RoleArn=f"arn:aws:iam::{account}:role/r", RoleSessionName="script")
        )
        found = told["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def work(folder: Path) -> None:
        accounts = sorted({account for account, _ in wanted})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            keys = dict(zip(accounts, pool.map(assume, accounts), strict=True))

            def look(target: tuple[str, str]) -> list[dict[str, Any]]:
                account, region = target
                client = boto3.Session(**keys[account], region_name=region).client("appstream")
                found = [builder for page in pages(client) for builder in page["ImageBuilders"]]
                return [builder | {"AccountId": account, "Region": region} for builder in found]

            rows = [row for found in pool.map(look, wanted) for row in found]
        folder.mkdir()
        pd.DataFrame(rows).to_parquet(folder / "image_builders.parquet")

    return work


CONTENDERS: dict[str, Callable[[], Callable[[Path], None]]] = {
    "boto3_loop": boto3_loop,
    "this_project": this_project,
    "dlt_pipeline": dlt_pipeline,
    "from_pylist": from_pylist,
    "drained": drained,
    "sweep_this_project": sweep_this_project,
    "sweep_in_two_processes": sweep_in_two_processes,
    "sweep_botocore": sweep_botocore,
    "sweep_script": sweep_script,
}


def main(name: str, answers: TextIO) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    work = CONTENDERS[name]()
    for _ in sys.stdin:
        folder = Path(tempfile.mkdtemp()) / "out"
        start, busy = time.perf_counter(), time.process_time()
        work(folder)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        shutil.rmtree(folder.parent)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(f"{seconds} {busy} {peak}\n")
        answers.flush()


if __name__ == "__main__":
    # What a library prints is not a measurement.
    answers, sys.stdout = sys.stdout, sys.stderr
    main(sys.argv[1], answers)
