"""Runs the benchmarks and prints their tables in Markdown; all of them, or those that are named.

Contenders take turns, round after round, on one endpoint: what a noisy machine does to one, it does to all.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import pages, quick, s3_requests, views
from pipeline.report.markdown import to_markdown
from pipeline.sandbox.server import ACCOUNT

BUILDERS = 20_000
ROUNDS = 7
SWEEPS_AT_MOST = 1.3
"""Of the ideal, at 32 at once."""
MEMORY = (100_000, 1_000_000)
TOLD = {
    "boto3_loop": "(a) boto3's paginator, the pages thrown away",
    "this_project": "(b) this project: extract, normalize, publish",
    "dlt_pipeline": "(c) dlt into Parquet through boto3's paginator",
    "from_pylist": "(d) boto3, pa.Table.from_pylist, write",
    "drained": "(e) the bytes drained, not parsed",
}
ACCOUNTS, REGIONS, EACH, LATENCY = 100, 20, 5, 0.05
# The script takes a fifth of a second of the processor for each target: some of them are enough.
SWEEPS = (
    ("sweep_this_project", 0, ACCOUNTS, 32, 3),
    ("sweep_this_project", 0, ACCOUNTS, 16, 3),
    ("sweep_in_two_processes", 0, ACCOUNTS, 32, 3),
    ("sweep_botocore", 0, ACCOUNTS, 32, 3),
    ("sweep_script", 0, ACCOUNTS // 10, 32, 1),
    ("sweep_this_project", 0.3, ACCOUNTS, 32, 3),
)
TOLD_OF_SWEEPS = {
    ("sweep_this_project", 0): "this project",
    ("sweep_in_two_processes", 0): "this project, in two processes",
    ("sweep_botocore", 0): "botocore alone, keys known, pages thrown away",
    ("sweep_script", 0): "ThreadPoolExecutor, a session and a client a target, pandas",
    ("sweep_this_project", 0.3): "this project, 30 % of the calls throttled",
}
WANTED_OF_SWEEPS = ("sweep_this_project", 0, 32)
WANTED = {"boto3_loop": 0.5, "dlt_pipeline": 0.1, "drained": 2.0}


@contextmanager
def endpoint(*command: object) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """A server of this package, and the environment in which to use it."""
    asked = [sys.executable, "-m", *map(str, command)]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        environ = os.environ | {
            "AWS_ENDPOINT_URL": server.stdout.readline().strip(),
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCOUNT_ID": ACCOUNT,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        yield environ, server
        server.stdin.close()


@contextmanager
def contender(name: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.contenders", name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def once(process: subprocess.Popen[str]) -> tuple[float, float, float]:
    """One turn of a contender: seconds, the processor's seconds, and its peak memory in MiB so far."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("go\n")
    process.stdin.flush()
    seconds, busy, peak = map(float, process.stdout.readline().split())
    return seconds, busy, peak


def speed() -> str:
    with endpoint("bench.server", BUILDERS) as (environ, _), ExitStack() as stack:
        running = {name: stack.enter_context(contender(name, environ)) for name in TOLD}
        for process in running.values():
            once(process)  # Imports, connections, caches.
        rounds = [{name: once(process)[0] for name, process in running.items()} for _ in range(ROUNDS)]
    rows = []
    for name, told in TOLD.items():
        seconds = statistics.median(r[name] for r in rounds)
        ratio = statistics.median(r["this_project"] / r[name] for r in rounds)
        wanted = f"at most {WANTED[name]}" if name in WANTED else ""
        rows.append(
            {
                "what": told,
                "seconds": f"{seconds:.2f}",
                "µs a builder": f"{seconds / BUILDERS * 1e6:.1f}",
                "(b) ÷ this": f"{ratio:.2f}",
                "wanted": wanted,
            }
        )
    title = f"{BUILDERS:,} image builders at 100 a page, medians of {ROUNDS} rounds taken in turns"
    return f"{title}\n\n{to_markdown(rows, is_markup=True)}"


def memory() -> str:
    peaks = {}
    for builders in MEMORY:
        with endpoint("bench.server", builders) as (environ, _), contender("this_project", environ) as process:
            peaks[builders] = once(process)[2]
    small, large = MEMORY
    rows = [
        {
            "image builders": f"{builders:,}",
            "peak MiB": f"{peak:.0f}",
            f"÷ {small:,}": f"{peak / peaks[small]:.2f}",
            "wanted": "at most 1.5" if builders == large else "",
        }
        for builders, peak in peaks.items()
    ]
    return f"Peak memory of this project's process\n\n{to_markdown(rows, is_markup=True)}"


def organization() -> str:
    """A sweep of an organization: accounts, regions and a latency, beside the script that people write."""
    rows = []
    median: dict[tuple[str, float], float] = {}
    for name, throttled, accounts, at_once, rounds in SWEEPS:
        given = {"BENCH_ACCOUNTS": str(accounts), "BENCH_AT_ONCE": str(at_once)}
        environment = endpoint("bench.organization", EACH, LATENCY, throttled)
        with environment as (environ, server), contender(name, environ | given) as process:
            if rounds > 1:
                once(process)
            calls_since(server)
            taken = [once(process) for _ in range(rounds)]
            calls = calls_since(server) / rounds
        targets = accounts * REGIONS
        seconds, busy = (statistics.median(t[n] for t in taken) for n in (0, 1))
        median.setdefault((name, throttled), seconds)
        ideal = calls * LATENCY / at_once
        rows.append(
            {
                "what": TOLD_OF_SWEEPS[name, throttled],
                "targets": f"{targets:,}",
                "at once": at_once,
                "calls": f"{calls:,.0f}",
                "seconds": f"{seconds:.1f}",
                "÷ ideal": f"{seconds / ideal:.2f}",
                "wanted": f"at most {SWEEPS_AT_MOST}" if (name, throttled, at_once) == WANTED_OF_SWEEPS else "",
                "processor ms a target": f"{busy / targets * 1e3:.1f}",
                "÷ unthrottled": f"{seconds / median[name, 0]:.2f}" if throttled else "",
            }
        )
    title = (
        f"A sweep of {ACCOUNTS} accounts in {REGIONS} regions, {EACH} image builders each, "
        f"{LATENCY * 1e3:.0f} ms a call; ideal is calls × latency ÷ how many are at once"
    )
    return f"{title}\n\n{to_markdown(rows, is_markup=True)}"


def calls_since(server: subprocess.Popen[str]) -> int:
    assert server.stdin
    assert server.stdout
    server.stdin.write("\n")
    server.stdin.flush()
    return int(server.stdout.readline())


def memory_of_sweeps() -> str:
    peaks = {}
    for accounts in (ACCOUNTS, ACCOUNTS * 2, ACCOUNTS * 6):
        environment = endpoint("bench.organization", EACH, 0, 0)
        given = {"BENCH_ACCOUNTS": str(accounts)}
        with environment as (environ, _), contender("sweep_this_project", environ | given) as process:
            peaks[accounts * REGIONS] = once(process)[2]
    smallest = next(iter(peaks.values()))
    rows = [
        {"targets": f"{n:,}", "peak MiB": f"{peak:.0f}", "÷ the first": f"{peak / smallest:.2f}"}
        for n, peak in peaks.items()
    ]
    return f"Peak memory of a sweep\n\n{to_markdown(rows, is_markup=True)}"


def history() -> str:
    """The views over a year of snapshots, beside SQL by hand over one sorted file."""
    with tempfile.TemporaryDirectory() as folder:
        return views.run(Path(folder))


def quick_at_hand() -> str:
    """How soon the commands are at hand, beside what they import."""
    with tempfile.TemporaryDirectory() as folder:
        return quick.run(Path(folder))


def requests() -> str:
    """What a warehouse in S3 costs in requests, at each age."""
    with tempfile.TemporaryDirectory() as folder:
        return s3_requests.run(Path(folder))


BENCHMARKS = {
    "speed": speed,
    "pages": pages.run,
    "memory": memory,
    "organization": organization,
    "memory_of_sweeps": memory_of_sweeps,
    "quick": quick_at_hand,
    "history": history,
    "requests": requests,
}

if __name__ == "__main__":
    print("\n\n".join(BENCHMARKS[name]() for name in sys.argv[1:] or BENCHMARKS))
