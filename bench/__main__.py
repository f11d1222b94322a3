"""Runs the benchmarks and prints their tables in Markdown.

Contenders take turns, round after round, on one endpoint: what a noisy machine does to one, it does to all.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.markdown import to_markdown
from pipeline.sandbox.server import ACCOUNT

BUILDERS = 20_000
ROUNDS = 7
MEMORY = (100_000, 1_000_000)
TOLD = {
    "boto3_loop": "(a) boto3's paginator, the pages thrown away",
    "this_project": "(b) this project: extract, normalize, publish",
    "dlt_pipeline": "(c) dlt into Parquet through boto3's paginator",
    "from_pylist": "(d) boto3, pa.Table.from_pylist, write",
    "drained": "(e) the bytes drained, not parsed",
}
WANTED = {"boto3_loop": 0.5, "dlt_pipeline": 0.1, "drained": 2.0}


@contextmanager
def endpoint(builders: int) -> Iterator[dict[str, str]]:
    """The environment of a server of that many builders, which runs meanwhile."""
    command = [sys.executable, "-m", "bench.server", str(builders)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        yield os.environ | {
            "AWS_ENDPOINT_URL": server.stdout.readline().strip(),
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCOUNT_ID": ACCOUNT,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
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


def once(process: subprocess.Popen[str]) -> tuple[float, float]:
    """One turn of a contender: seconds, and its peak memory in MiB so far."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("go\n")
    process.stdin.flush()
    seconds, peak = process.stdout.readline().split()
    return float(seconds), float(peak)


def speed() -> str:
    with endpoint(BUILDERS) as environ, ExitStack() as stack:
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
    return f"{title}\n\n{to_markdown(rows)}"


def memory() -> str:
    peaks = {}
    for builders in MEMORY:
        with endpoint(builders) as environ, contender("this_project", environ) as process:
            peaks[builders] = once(process)[1]
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
    return f"Peak memory of this project's process\n\n{to_markdown(rows)}"


if __name__ == "__main__":
    print(speed())
    print()
    print(memory())
