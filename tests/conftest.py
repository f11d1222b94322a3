"""What the tests share: a sandbox on loopback, an environment of their own, a warehouse in a temporary folder."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest

from pipeline.sandbox.estate import Estate, FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, Clock, Sandbox
from pipeline.warehouse import Warehouse
from tests.support import NOON, Looker, OneEach, Organization, StartSandbox

# `make quick` installs neither a browser's driver nor a notebook's kernel, and runs no test that needs them.
_NEEDED = {"report/test_page.py": "playwright", "test_notebook.py": "nbclient"}
collect_ignore = [path for path, package in _NEEDED.items() if find_spec(package) is None]

_CI = bool(os.environ.get("CI"))
hypothesis.settings.register_profile("long", deadline=None, derandomize=_CI)
hypothesis.settings.register_profile("quick", deadline=None, derandomize=_CI, max_examples=12)
hypothesis.settings.load_profile("long")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks the week, which takes most of a minute to make, is not for `make quick`."""
    for item in items:
        if "week" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the machine's AWS settings, this project's, or another test's working folder."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "IMAGE_BUILDERS_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # botocore's pauses between attempts are not what is tested.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def start_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartSandbox]:
    """Starts a sandbox and points boto3 at it."""
    with ExitStack() as stack:

        def start(estate: Estate | None = None, at: datetime | None = NOON, faults: Sequence[Fault] = ()) -> Sandbox:
            sandbox = stack.enter_context(Sandbox(estate, Clock(at), faults))
            # moto has one state a process.
            urllib.request.urlopen(urllib.request.Request(f"{sandbox.url}/moto-api/reset", method="POST")).close()
            for name, value in sandbox.environment.items():
                monkeypatch.setenv(name, value)
            return sandbox

        yield start


@pytest.fixture
def looker(start_sandbox: StartSandbox, tmp_path: Path) -> Callable[..., Looker]:
    """A looker at a sandbox with the given builders, by region."""

    def make(*builders: dict[str, Any], **by_region: Sequence[dict[str, Any]]) -> Looker:
        given = {r.replace("_", "-"): b for r, b in by_region.items()} or {"us-east-1": builders}
        estate = FixedEstate({(ACCOUNT, region): list(found) for region, found in given.items()})
        return Looker(start_sandbox(estate), Warehouse(str(tmp_path / "warehouse"), grace=0.0))

    return make


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The sandbox's week that docs/questions.md tells of, made by the whole job, once for all workers; only read."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if is_worker else base) / "week"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            script = "import sys; from pipeline.cli.questions_page import fill; fill(sys.argv[1])"
            kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "IMAGE_BUILDERS_", "DAGSTER_"))}
            command = [sys.executable, "-W", "ignore", "-c", script, str(folder / "warehouse")]
            subprocess.run(command, env=kept, cwd=folder, check=True, capture_output=True)
            (folder / "done").touch()
    return Warehouse(str(folder / "warehouse"))


@pytest.fixture
def organization(start_sandbox: StartSandbox) -> Organization:
    """An organization without members, whose accounts have a builder in every region they are asked for."""
    sandbox = start_sandbox(OneEach())
    client = boto3.client("organizations")
    client.create_organization(FeatureSet="ALL")
    return Organization(sandbox, client.list_roots()["Roots"][0]["Id"], client)
