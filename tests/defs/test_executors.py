"""The same definitions on Dagster's own executors: chosen by the environment, and for real on several workers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pipeline import views
from pipeline.definitions import build_definitions
from pipeline.defs.executors import executor_of
from pipeline.errors import ConfigurationError
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, Sandbox
from pipeline.warehouse import Warehouse
from tests.support import StartSandbox, builder, settings_of

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
REGIONS = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1", "sa-east-1", "ca-central-1"]

# Dagster's own: sqlite connections of an instance's pool are closed by the collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_the_environment_chooses_the_executor() -> None:
    assert executor_of(settings_of({})).name == "in_process"
    chosen = {
        name: executor_of(settings_of({"IMAGE_BUILDERS_EXECUTOR": name})).name
        for name in ("multiprocess", "celery", "k8s")
    }
    assert chosen == {"multiprocess": "multiprocess", "celery": "celery", "k8s": "k8s"}
    assert (
        build_definitions(settings_of({"IMAGE_BUILDERS_EXECUTOR": "multiprocess"})).executor is dg.multiprocess_executor
    )


def test_a_file_configures_it_in_either_shape(tmp_path: Path) -> None:
    for content in ({"max_concurrent": 3}, {"execution": {"config": {"max_concurrent": 3}}}):
        (tmp_path / "executor.yaml").write_text(yaml.safe_dump(content))
        environ = {"IMAGE_BUILDERS_EXECUTOR": "multiprocess", "IMAGE_BUILDERS_EXECUTOR_CONFIG": "executor.yaml"}
        assert executor_of(settings_of(environ)).name == "multiprocess"
        assert executor_of(settings_of(environ)) is not dg.multiprocess_executor


@pytest.mark.parametrize(
    ("environ", "content", "said"),
    [
        ({"IMAGE_BUILDERS_EXECUTOR": "dask"}, "", r"is 'dask'; it is one of: in_process, multiprocess, celery, k8s\."),
        (
            {"IMAGE_BUILDERS_EXECUTOR_CONFIG": "gone.yaml"},
            "",
            r"IMAGE_BUILDERS_EXECUTOR_CONFIG names gone.yaml, which does not exist\.",
        ),
        ({"IMAGE_BUILDERS_EXECUTOR_CONFIG": "e.yaml"}, "[", r"e.yaml is not YAML: "),
        ({"IMAGE_BUILDERS_EXECUTOR_CONFIG": "e.yaml"}, "- a", r"e.yaml must hold the executor's configuration"),
        (
            {"IMAGE_BUILDERS_EXECUTOR": "multiprocess", "IMAGE_BUILDERS_EXECUTOR_CONFIG": "e.yaml"},
            "max_concurent: 3",
            r"e.yaml does not fit Dagster's multiprocess executor: .*max_concurent",
        ),
    ],
)
def test_what_cannot_be_is_refused(environ: dict[str, str], content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        executor_of(settings_of(environ))


@pytest.mark.parametrize("name", ["celery", "k8s"])
def test_a_package_that_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"dagster_{name}", None)
    with pytest.raises(
        ConfigurationError, match=rf"packages that are not installed \(dagster_{name}\): run pip install '\.\[{name}\]'"
    ):
        executor_of(settings_of({"IMAGE_BUILDERS_EXECUTOR": name}))


def test_shards_are_a_number_from_one() -> None:
    assert (settings_of().shards, settings_of({"IMAGE_BUILDERS_SHARDS": "8"}).shards) == (1, 8)
    for wrong in ("0", "-1", "two", "1.5"):
        with pytest.raises(ConfigurationError, match="must be a whole number from 1"):
            settings_of({"IMAGE_BUILDERS_SHARDS": wrong})


def test_the_settings_in_the_documentation_are_accepted() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    found = {}
    for block in text.split("```yaml\n")[1:]:
        body = block.split("```")[0]
        if body.startswith("# executor: "):
            found[body.split()[2]] = yaml.safe_load(body)
    assert set(found) == {"multiprocess", "celery", "k8s"}
    for name, content in found.items():
        Path("e.yaml").write_text(yaml.safe_dump(content))
        executor_of(settings_of({"IMAGE_BUILDERS_EXECUTOR": name, "IMAGE_BUILDERS_EXECUTOR_CONFIG": "e.yaml"}))


class Deployment:
    """A warehouse, an instance and an environment that several processes share, and a run on them."""

    def __init__(self, folder: Path, sandbox: Sandbox, executor: str) -> None:
        self.warehouse = Warehouse(str(folder / "warehouse"))
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        # Its databases are made before several processes would make them at once.
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            instance.get_runs()
            instance.all_asset_keys()
            instance.all_instigator_state()
        (folder / "targets.yaml").write_text(yaml.safe_dump({"regions": REGIONS, "concurrency": 1}))
        self.environ = os.environ | sandbox.environment | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "DAGSTER_HOME": str(self.home),
            "IMAGE_BUILDERS_WAREHOUSE": self.warehouse.location,
            "IMAGE_BUILDERS_TARGETS": str(folder / "targets.yaml"),
            "IMAGE_BUILDERS_EXECUTOR": executor,
            "IMAGE_BUILDERS_SHARDS": "2",
        }  # fmt: skip

    def launch(self, key: str) -> subprocess.Popen[str]:
        # The tables and their checks; the views over them are the same wherever the steps run.
        command = [str(BIN / "dg"), "launch", "--assets", "group:tables", "--partition", key]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def events(self) -> list[dg.EventLogEntry]:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            run_ids = [run.run_id for run in instance.get_runs()]
            return [
                record.event_log_entry
                for run_id in run_ids
                for record in instance.get_records_for_run(run_id, limit=5000).records
            ]

    def starts(self) -> dict[str, int]:
        """How often each extract step was begun."""
        found: dict[str, int] = defaultdict(int)
        for entry in self.events():
            event = entry.dagster_event
            if event and event.event_type == dg.DagsterEventType.STEP_START and "extract" in str(event.step_key):
                found[str(event.step_key)] += 1
        return found

    def workers(self) -> dict[str, list[str]]:
        """The workers that took each extract step, in order."""
        found: dict[str, list[str]] = defaultdict(list)
        for entry in self.events():
            event = entry.dagster_event
            if event and event.event_type == dg.DagsterEventType.ENGINE_EVENT and "extract" in str(event.step_key):
                told: Any = event.engine_event_data.metadata.get("Celery worker")
                if told:
                    found[str(event.step_key)].append(told.value.partition("@")[0])
        return found

    def require_one_correct_snapshot(self) -> None:
        (snapshot,) = views.query(
            self.warehouse, "select targets, targets_complete, builders from snapshots"
        ).to_pylist()
        assert snapshot == {"targets": len(REGIONS), "targets_complete": len(REGIONS), "builders": 3 * len(REGIONS)}
        names = views.query(self.warehouse, "select region, name from image_builders_current order by all").to_pylist()
        assert names == [{"region": r, "name": f"b{n}"} for r in sorted(REGIONS) for n in range(3)]
        assert not list(Path(self.warehouse.location, "_staging").glob("*.arrow"))


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    estate = FixedEstate({(ACCOUNT, r): [builder(f"b{n}", r) for n in range(3)] for r in REGIONS})
    return start_sandbox(estate, at=None)


def until(happened: Callable[[], object], process: subprocess.Popen[Any], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.3)


def is_ready(log: Path) -> bool:
    return "ready." in log.read_text()


def window() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


@pytest.mark.slow
def test_each_shard_has_a_process_of_its_own_on_the_multiprocess_executor(tmp_path: Path, sandbox: Sandbox) -> None:
    deployment = Deployment(tmp_path, sandbox, "multiprocess")
    with deployment.launch(window()) as run:
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    deployment.require_one_correct_snapshot()
    assert deployment.starts() == {"snapshot.extract[0]": 1, "snapshot.extract[1]": 1}


@pytest.fixture
def redis() -> Iterator[str]:
    """The URL of a Redis on loopback."""
    if not (server := shutil.which("redis-server")):
        pytest.fail("redis-server is missing: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
        process.terminate()


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_of_a_shard_costs_nothing(
    tmp_path: Path, sandbox: Sandbox, redis: str
) -> None:
    deployment = Deployment(tmp_path, sandbox, "celery")
    settings = {
        "broker": f"{redis}/0",
        "backend": f"{redis}/1",
        "config_source": {
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            # After these seconds without a word Redis gives a task to another worker: longer than a shard takes.
            "broker_transport_options": {
                "visibility_timeout": 20,
                "unacked_restore_interval": 1,
                "unacked_restore_throttle": 1,
            },
        },
    }
    (tmp_path / "executor.yaml").write_text(yaml.safe_dump({"execution": {"config": settings}}))
    deployment.environ["IMAGE_BUILDERS_EXECUTOR_CONFIG"] = str(tmp_path / "executor.yaml")
    # A shard of four targets takes some six seconds.
    sandbox.appstream.faults.append(Fault("latency", value=1.5))
    with ExitStack() as stack:
        workers = {}
        for name in ("one", "two"):
            command = [str(BIN / "dagster-celery"), "worker", "start", "-A", "dagster_celery.app"]
            command += ["-y", str(tmp_path / "executor.yaml"), "-n", name, "--", "-c", "1"]
            log = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            # A group of its own, so that all of it can be killed, as when the machine is gone.
            worker = subprocess.Popen(
                command, cwd=ROOT, env=deployment.environ, stdout=log, stderr=log, start_new_session=True
            )
            workers[name] = stack.enter_context(worker)
            stack.callback(_kill, worker)
        for name, worker in workers.items():
            until(partial(is_ready, tmp_path / f"{name}.log"), worker)
        run = stack.enter_context(deployment.launch(window()))
        stack.callback(run.kill)
        both = {"snapshot.extract[0]": 1, "snapshot.extract[1]": 1}
        until(lambda: deployment.starts() == both and sandbox.appstream.calls, run)
        took = deployment.workers()
        assert sorted(w for names in took.values() for w in names) == ["one", "two"], "both work"
        lost = took["snapshot.extract[0]"][0]
        _kill(workers[lost])
        output, _ = run.communicate(timeout=150)
    assert run.returncode == 0, output
    deployment.require_one_correct_snapshot()
    assert deployment.starts() == {"snapshot.extract[0]": 2, "snapshot.extract[1]": 1}
    assert deployment.workers()["snapshot.extract[0]"] == [lost, ({"one", "two"} - {lost}).pop()]


def _kill(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
