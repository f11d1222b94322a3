"""What is committed, and what readers see, when requests fail, writers meet and processes die; by an oracle that reads
the files with boto3 and pyarrow alone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipeline import views
from pipeline.errors import WarehouseError
from pipeline.warehouse import Extracted, Published, Warehouse, publication, publish, s3_lock
from pipeline.warehouse.storage import UnknownOutcomeError
from pipeline.windows import Window
from tests.support import NOON, Looker, builder, estate_of, oracle
from tests.support.effort import often
from tests.support.store import BUCKET, Request, Store, make_bucket

WINDOW = Window.at("daily", NOON)


@pytest.fixture(params=["folder", "bucket"])
def look(request: pytest.FixtureRequest, looker: Callable[..., Looker]) -> Looker:
    """A looker at two regions, whose warehouse is in a folder or in a bucket."""
    look = looker(us_east_1=[builder("old"), builder("both")], eu_west_1=[builder("abroad", "eu-west-1")])
    if request.param == "bucket":
        make_bucket(look.sandbox)
        look.warehouse = Warehouse(f"s3://{BUCKET}/w", grace=0.0, patience=30.0)
    return look


@pytest.fixture
def store(look: Looker) -> Store:
    front = look.sandbox.front
    return front if isinstance(front, Store) else pytest.skip("a folder has no requests")


in_a_bucket = pytest.mark.parametrize("look", ["bucket"], indirect=True)


def names(look: Looker, rows: oracle.Rows | None = None) -> list[str]:
    rows = oracle.committed(look.warehouse.location) if rows is None else rows
    return sorted(dict(row)["name"] for row in rows["image_builders"])


def test_an_interrupt_before_the_commit_leaves_nothing_of_it(look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the tables are being written: bare readers must not count what is not committed."""
    look.publish("us-east-1")
    before = oracle.bare(look.warehouse.location)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publication, "uninterrupted", interrupted)
        with pytest.raises(KeyboardInterrupt):
            look.publish("us-east-1")
    assert oracle.bare(look.warehouse.location) == before
    assert [path for path in look.warehouse.storage.list("_staging") if "publish" in path] == []


def test_what_fails_after_the_commit_is_a_warning_and_the_next_run_does_it(
    look: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    look.publish("us-east-1")
    for error in (WarehouseError("The disk is full."), OSError(28, "No space left"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:
            patch.setattr(publish, "clean", _raise(error))
            told = look.publish("us-east-1")
        assert told.snapshot_id in look.warehouse.snapshots()
        (warning,) = told.warnings
        assert warning.startswith(f"The snapshot {told.snapshot_id} is committed, but what it supersedes could not")
        assert names(look) == ["both", "old"]
    assert len(oracle.bare(look.warehouse.location)["image_builders"]) == 8
    assert look.publish("us-east-1").warnings == ()
    assert oracle.bare(look.warehouse.location) == oracle.committed(look.warehouse.location)
    staged = look.warehouse.staged()
    assert len(staged) == 3, "they are their runs', of which a publication knows only its own"
    look.warehouse.discard(staged)
    assert look.warehouse.storage.list("_staging") == []


def _raise(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_what_another_run_has_staged_is_its_own_until_it_is_stale(
    look: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with look.warehouse.stage("another-run-0"):
        pass
    look.publish()
    assert look.warehouse.staged() == ["another-run-0"]
    monkeypatch.setattr(publish, "STALE_AFTER", -2.0)  # Younger than that is nothing.
    look.publish()
    assert look.warehouse.staged() == []


def test_an_interrupt_at_the_commit_waits_for_it() -> None:
    """What was done is told as done; what failed ends with the interrupt."""
    from pipeline.warehouse.uninterrupted import uninterrupted

    done = threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell has its background jobs ignore it.

    def commit() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.wait(0.3)
        done.set()

    uninterrupted(commit)
    assert done.is_set()
    with pytest.raises(ZeroDivisionError):
        uninterrupted(lambda: 1 / 0)  # type: ignore[arg-type]

    def fail() -> None:
        commit()
        raise ValueError

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(fail)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("locked", [True, False])
def test_writers_of_one_window_all_are_in_it(locked: bool, look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the lock was lost: whoever is the later to commit finds the other's snapshot, and adds its own."""
    if not locked and not look.warehouse.location.startswith("s3://"):
        pytest.skip("the kernel keeps the lock of a folder")
    monkeypatch.setattr(s3_lock, "POLL", 0.02)
    regions = ["us-east-1", "eu-west-1"]
    looks = [look.extract(region) for region in regions]
    start = threading.Barrier(len(regions))
    told: list[Published] = []
    if not locked:
        write = publication.Publication.write

        def together(self: Any, streams: Any, lock: Any) -> Published:
            if self.earlier is None:
                start.wait(10)  # Each has read what the window held, before the other has written.
            return write(self, streams, lock)

        monkeypatch.setattr(publication.Publication, "write", together)

    def run(extracted: Extracted) -> None:
        home = Warehouse(look.warehouse.location, grace=0.0, patience=30.0)
        if not locked:
            home.storage.lock = lambda: nullcontext(_Held())  # type: ignore[method-assign]
        told.append(home.publish(WINDOW, [extracted], lambda: NOON))

    threads = [threading.Thread(target=run, args=(extracted,)) for extracted in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 2
    if not locked:  # What the two removed of each other's, the next run has a clear view of.
        look.publish("ap-south-1")
    assert names(look) == ["abroad", "both", "old"]
    assert oracle.bare(look.warehouse.location) == oracle.committed(look.warehouse.location)


class _Held:
    def require(self) -> None:
        pass


@in_a_bucket
@pytest.mark.slow
@pytest.mark.parametrize("what", ["refuse SlowDown", "refuse AccessDenied", "cut before", "cut after", "cut body"])
def test_a_request_that_fails_makes_no_half_snapshot(what: str, look: Looker, store: Store) -> None:
    """Any one request of a publication, and that and all after it, as where a process dies."""
    look.publish("us-east-1")
    before = {p: c for p, c in oracle.files(look.warehouse.location).items() if not p.startswith("_")}
    old = oracle.committed(look.warehouse.location)
    estate_of(look)[next(iter(estate_of(look)))] = [builder("new"), builder("both", State="STOPPED")]
    extracted = look.extract("us-east-1")
    stream = boto3.client("s3").get_object(Bucket=BUCKET, Key=f"w/{extracted.stream}")["Body"].read()
    store.reset()
    look.warehouse.publish(WINDOW, [extracted], lambda: NOON)
    count = len(store.requests)
    new = [("both", "STOPPED"), ("new", "RUNNING")]
    assert count <= 35, store.operations
    outcomes = set()
    kinds = ("refuse SlowDown", "refuse AccessDenied", "cut before", "cut after", "cut body")
    # In the long run, each request is struck in every way.
    for number in range(kinds.index(what), count, often(10, 1)):
        home = Warehouse(f"s3://{BUCKET}/{number}", grace=0.0, patience=3.0)
        for path, content in [*before.items(), (extracted.stream, stream)]:
            boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{number}/{path}", Body=content)
        lasting = number % 2 == 1

        def rule(request: Request, number: int = number, lasting: bool = lasting) -> str | None:
            return what if request.number == number or (lasting and request.number > number) else None

        store.reset(rule)
        try:
            told: Published | WarehouseError = home.publish(WINDOW, [extracted], lambda: NOON)
        except WarehouseError as error:
            told = error
        request = store.requests[number] if len(store.requests) > number else None
        store.reset()
        rows = oracle.committed(home.location)
        seen = sorted((dict(row)["name"], dict(row)["state"]) for row in rows["image_builders"])
        assert seen == new or rows == old, request
        if isinstance(told, Published):
            assert seen == new, request
        elif not isinstance(told, UnknownOutcomeError):
            assert rows == old, request
            assert str(told).startswith(f"The warehouse {home.location} "), told
            if not lasting:  # It could still take back what it had put.
                assert oracle.bare(home.location) == old, request
        outcomes.add((type(told).__name__, seen == new))
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{number}/.lock")
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{number}/{extracted.stream}", Body=stream)
        home.publish(WINDOW, [extracted], lambda: NOON)
        repaired = oracle.committed(home.location)
        assert oracle.bare(home.location) == repaired, request
        assert names(look, repaired) == ["both", "new"], request
    assert outcomes >= {("WarehouseError", False)}


PUBLISH = """
import json, sys
from datetime import datetime
from pipeline.warehouse import Extracted, Warehouse
from pipeline.windows import Window
location, stream = sys.argv[1:]
rows = json.loads(sys.stdin.readline())
for row in rows:
    row |= {k: datetime.fromisoformat(row[k]) for k in ("started_at", "observed_at")}
at = rows[0]["observed_at"]
print("ready", flush=True)
Warehouse(location, grace=0.0).publish(Window.at("daily", at), [Extracted(rows, stream)], lambda: at)
"""


@in_a_bucket
@pytest.mark.slow
@pytest.mark.parametrize("at", [6, 14, 17])
def test_a_process_that_is_killed_leaves_the_old_snapshot_or_the_new_one(
    at: int, look: Looker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    look.publish("us-east-1")
    old = oracle.committed(look.warehouse.location)
    extracted = look.extract("us-east-1")
    with _process(look, extracted) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        def kill(request: Request) -> str | None:
            if request.number == at:
                process.send_signal(signal.SIGKILL)
            return "cut before" if request.number >= at else None

        store.reset(kill)
        assert process.wait(60) == -signal.SIGKILL
    store.reset()
    rows = oracle.committed(look.warehouse.location)
    assert names(look, rows) == names(look, old)
    monkeypatch.setattr(s3_lock, "_is_over", lambda _: True)  # Later, when the lease is over.
    look.publish("us-east-1")
    assert oracle.bare(look.warehouse.location) == oracle.committed(look.warehouse.location)
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)


@contextmanager
def _process(look: Looker, extracted: Extracted) -> Any:
    command = [sys.executable, "-c", PUBLISH, look.warehouse.location, extracted.stream]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)
    ) as process:
        assert process.stdin
        process.stdin.write(json.dumps(extracted.rows, default=str) + "\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


@in_a_bucket
def test_a_question_that_cannot_list_or_read_all_is_an_error(look: Looker, store: Store) -> None:
    look.publish("us-east-1", "eu-west-1")
    question = "select count(*) as n from image_builders_current"
    store.reset()
    assert views.query(Warehouse(look.warehouse.location), question).to_pylist() == [{"n": 3}]
    operations = store.operations
    for number, operation in enumerate(operations):
        for what in ("refuse SlowDown", "refuse AccessDenied", "cut before", "cut body"):
            store.reset(lambda r, number=number, what=what: what if r.number >= number else None)  # type: ignore[misc]
            from pipeline.warehouse import s3_reads

            s3_reads._kept = s3_reads._Kept()
            with pytest.raises(WarehouseError, match=r"^The warehouse s3://lake/w cannot be read: [^\n]*\.$"):
                views.query(Warehouse(look.warehouse.location), question)
            assert operation in ("ListObjectsV2", "GetObject")


def test_a_full_disk_is_freed_of_what_dead_runs_left(looker: Callable[..., Looker], tmp_path: Path) -> None:
    """A run that was killed in its sweep leaves a stream; the next removes it before it looks."""
    look = looker(builder("a"))
    home = Path(look.warehouse.location)
    script = (
        "import sys, time; from pipeline.warehouse import Warehouse\n"
        "with Warehouse(sys.argv[1]).stage('dead-0') as (path, sink):\n"
        "    print('writing', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"writing\n"
        look.warehouse.check()
        assert look.warehouse.storage.list("_staging") == ["_staging/dead-0.arrow.part"], "it lives"
        process.kill()
    look.warehouse.check()
    assert look.warehouse.storage.list("_staging") == []
    shutil.rmtree(home)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_costs_no_snapshot_and_is_free_again_when_the_dead_are_gone(
    looker: Callable[..., Looker], disk: Path
) -> None:
    look = looker(builder("a"))
    look.warehouse = Warehouse(str(disk / "w"), grace=0.0)
    look.publish()
    before = oracle.committed(look.warehouse.location)
    dead = disk / "w" / "_staging" / "dead-0.arrow.part"
    dead.write_bytes(b"x" * 2**21)
    with suppress(OSError), (disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(b"x" * 4096)
    with pytest.raises(WarehouseError, match="cannot be written: No space left on device"):
        look.publish()
    assert oracle.committed(look.warehouse.location) == oracle.bare(look.warehouse.location) == before
    look.warehouse.check()
    assert not dead.exists()
    look.publish()
    assert oracle.committed(look.warehouse.location) == oracle.bare(look.warehouse.location)
