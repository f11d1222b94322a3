"""What a place promises, a folder and a bucket alike: files whole or not at all, one writer, listings that raise."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pipeline import views
from pipeline.contract import EXTRACTS
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.sandbox.server import ACCOUNT
from pipeline.warehouse import Warehouse, s3_lock, s3_reads, s3_storage
from pipeline.warehouse.s3_storage import ObjectStorage
from pipeline.warehouse.storage import Storage, UnknownOutcomeError
from tests.support import Looker, StartSandbox, builder
from tests.support.store import BUCKET, Request, Store, make_bucket


@pytest.fixture
def store(start_sandbox: StartSandbox) -> Store:
    return make_bucket(start_sandbox())


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Storage:
    location = str(tmp_path / "warehouse") if request.param == "folder" else f"s3://{BUCKET}/some/place"
    return Warehouse(location, patience=0.5).storage


def write(storage: Storage, path: str, content: bytes = b"all", **options: Any) -> None:
    file = storage.create(path, **options)
    file.sink.write(content)
    file.commit()


def read(storage: Storage, path: str) -> bytes:
    with storage.open(path) as source:
        return bytes(source.read())


def test_files_are_written_listed_read_and_removed(place: Storage) -> None:
    assert place.list() == []
    for path in ("t/b", "t/a", "t/deep/er", "u/c", "_staging/x.arrow"):
        write(place, path, path.encode())
    assert [path for path in place.list() if path != ".lock"] == ["_staging/x.arrow", "t/a", "t/b", "t/deep/er", "u/c"]
    assert place.sizes("t") == {"t/a": 3, "t/b": 3, "t/deep/er": 9}
    assert read(place, "t/deep/er") == b"t/deep/er"
    assert 0 <= place.age("t/a") < 60
    place.remove("t/a", "t/never", "u/c")
    assert place.list("t") == ["t/b", "t/deep/er"]
    assert place.list("nothing") == []


def test_what_is_not_committed_is_nowhere(place: Storage) -> None:
    file = place.create("t/a")
    file.sink.write(b"half")
    assert place.list("t") == []
    file.discard()
    assert [path for path in place.list() if path != ".lock"] == []
    taken_back = place.create("t/b")
    taken_back.commit()
    taken_back.discard()
    assert place.list("t") == []


def test_a_commit_is_never_written_over(place: Storage) -> None:
    write(place, "extracts/a", b"first", only_new=True)
    with pytest.raises((WarehouseError, OSError)):
        write(place, "extracts/a", b"second", only_new=True)
    assert read(place, "extracts/a") == b"first"


def test_one_is_in_the_lock_at_a_time(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_lock, "POLL", 0.02)
    inside: list[int] = []
    most = 0

    def hold(number: int) -> None:
        nonlocal most
        other = Warehouse(place.location, patience=30).storage
        with other.lock():
            inside.append(number)
            most = max(most, len(inside))
            time.sleep(0.05)
            inside.remove(number)

    threads = [threading.Thread(target=hold, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_lock_that_cannot_be_had_in_time_is_one_sentence(place: Storage) -> None:
    with place.lock():
        started = time.monotonic()
        with (
            pytest.raises(WarehouseError, match=r"is being written by another run.* wait until it has ended"),
            Warehouse(place.location, patience=0.3).storage.lock(),
        ):
            pass
        assert time.monotonic() - started < 20
    with Warehouse(place.location, patience=0.3).storage.lock():
        pass


HOLD = (
    "import sys, time; from pipeline.warehouse import Warehouse, s3_lock\n"
    "s3_lock.LEASE = 1.0\n"
    "with Warehouse(sys.argv[1]).storage.lock():\n"
    "    print('held', flush=True); time.sleep(60)"
)


@pytest.mark.slow
def test_the_lock_of_a_dead_process_is_free(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", HOLD, place.location]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        time.sleep(3)  # It is renewed: three leases later it is still held.
        with pytest.raises(WarehouseError, match="is being written by another run"), place.lock():
            pass
        os.kill(holder.pid, signal.SIGKILL)
    with Warehouse(place.location, patience=20).storage.lock():
        pass


def test_who_loses_the_lock_is_told_before_it_writes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_lock, "LEASE", 0.3)
    home = Warehouse(f"s3://{BUCKET}/w", patience=10)
    store.reset(lambda r: "refuse SlowDown" if r.operation == "PutObject" and r.number > 2 else None)
    with home.storage.lock() as lock:
        time.sleep(0.5)  # It cannot be renewed.
        with pytest.raises(WarehouseError, match="cannot be written: PutObject"):
            lock.require()
    store.reset()
    with home.storage.lock() as lock:
        other = Warehouse(home.location, patience=10)
        assert isinstance(other.storage, ObjectStorage)
        # As another process does that sees that the lease is over; now and then it is renewed in between.
        for _ in range(100):
            seen = other.storage._lock.look()
            assert seen
            with suppress(ClientError):
                other.storage._lock.put("another", {"IfMatch": seen["ETag"]})
                break
        time.sleep(0.3)
        with pytest.raises(WarehouseError, match=r"The lock of the warehouse .* was lost while it was held"):
            lock.require()


def test_a_listing_that_fails_is_an_error(store: Store) -> None:
    home = Warehouse(f"s3://{BUCKET}/w")
    write(home.storage, "t/a")
    for code in ("SlowDown", "InternalError", "AccessDenied"):
        store.reset(lambda r, code=code: f"refuse {code}" if r.operation == "ListObjectsV2" else None)  # type: ignore[misc]
        with pytest.raises(WarehouseError, match=r"cannot be read: .*ListBucket|cannot be read: ListObjectsV2"):
            home.storage.list()


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Warehouse(str(tmp_path / "w"))
    write(home.storage, "t/day/a")
    listed = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("day"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(WarehouseError, match="cannot be read: Permission denied"):
        home.storage.list()


@pytest.mark.parametrize("what", ["cut after", "twice"])
def test_a_put_whose_reply_was_lost_is_done_once(store: Store, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore puts once more what it has no reply of; the condition must not take the first put for another's."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    home = Warehouse(f"s3://{BUCKET}/w", patience=2)
    struck: list[Request] = []

    def once(request: Request) -> str | None:
        if request.operation == "PutObject" and request.key not in {r.key for r in struck}:
            struck.append(request)
            return what
        return None

    store.reset(once)
    with home.storage.lock():
        write(home.storage, "extracts/a", b"mine", only_new=True)
    assert [r.key for r in struck] == ["w/.lock", "w/extracts/a"]
    assert read(home.storage, "extracts/a") == b"mine"
    with home.storage.lock():
        pass


def test_a_commit_of_which_nobody_can_tell_says_so(store: Store) -> None:
    home = Warehouse(f"s3://{BUCKET}/w")
    store.reset(lambda r: "cut after" if r.key.endswith("extracts/a") else None)
    with pytest.raises(UnknownOutcomeError, match="whether it is there is not known"):
        write(home.storage, "extracts/a", b"mine", only_new=True)
    store.reset(lambda r: "cut before" if r.operation == "PutObject" else None)
    with pytest.raises(WarehouseError, match="cannot be written"):
        write(home.storage, "extracts/b", b"mine", only_new=True)
    store.reset()
    assert home.storage.list("extracts") == ["extracts/a"]


def test_a_commit_at_a_busy_key_is_put_again_and_told_where_it_stays_busy(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_storage, "ATTEMPTS", 2)
    home = Warehouse(f"s3://{BUCKET}/w")
    busy = "refuse ConditionalRequestConflict"
    store.reset(lambda r: busy if r.operation == "PutObject" else None)
    with pytest.raises(WarehouseError, match="cannot be written"):
        write(home.storage, "extracts/a", b"mine", only_new=True)
    assert store.operations.count("PutObject") == 2
    store.reset(lambda r: busy if r.operation == "PutObject" and store.operations.count("PutObject") == 1 else None)
    write(home.storage, "extracts/a", b"mine", only_new=True)
    store.reset(lambda r: "refuse AccessDenied" if r.operation == "PutObject" else None)
    with pytest.raises(WarehouseError, match="cannot be written"):
        write(home.storage, "extracts/b", b"mine", only_new=True)
    assert store.operations.count("PutObject") == 1
    store.reset()
    assert home.storage.list() == ["extracts/a"]
    assert read(home.storage, "extracts/a") == b"mine"


@pytest.mark.parametrize("refused", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_an_upload_that_fails_leaves_nothing(store: Store, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_storage, "IN_PARTS_FROM", 1)
    home = Warehouse(f"s3://{BUCKET}/w")
    store.reset(lambda r: "refuse InternalError" if r.operation == refused else None)
    with pytest.raises(WarehouseError, match=f"cannot be written: .*{refused}"):
        write(home.storage, "t/a", b"x" * 100)
    store.reset()
    assert home.storage.list() == []
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)
    write(home.storage, "t/a", b"x" * 100)
    assert read(home.storage, "t/a") == b"x" * 100


def test_large_objects_are_read_in_blocks_and_each_block_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_reads, "BLOCK", 1000)
    home = Warehouse(f"s3://{BUCKET}/w")
    content = os.urandom(2500)
    write(home.storage, "t/a", content)
    write(home.storage, "t/empty", b"")
    store.reset()
    with home.storage.open("t/a") as source:
        source.seek(1990)
        assert source.read(20) == content[1990:2010]
        source.seek(-10, io.SEEK_END)
        assert source.read() == content[-10:]
        source.seek(0)
        assert source.read() == content
    assert store.operations == ["GetObject"] * 3
    assert read(home.storage, "t/empty") == b""
    store.reset(lambda r: "cut body" if r.number == 0 else None)
    write(home.storage, "t/b", content)
    assert read(home.storage, "t/b") == content
    store.reset(lambda r: "cut body" if r.operation == "GetObject" else None)
    write(home.storage, "t/c", content)
    with pytest.raises(WarehouseError, match="cannot be read"):
        read(home.storage, "t/c")


def test_a_store_that_does_not_heed_conditions_is_told(store: Store) -> None:
    home = Warehouse(f"s3://{BUCKET}/w")
    home.check()
    store.reset(lambda r: "refuse NotImplemented" if {"if-match", "if-none-match"} & set(r.headers) else None)
    with pytest.raises(WarehouseError, match=r"takes no conditional puts .* use a store that does, or a folder"):
        home.check()
    store.reset()
    front = store._front

    def heedless(environ: dict[str, Any], start_response: Any) -> Any:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return front(environ, start_response)

    store._front = heedless
    with pytest.raises(WarehouseError, match=r"does not heed conditional puts .* use a store that does, or a folder"):
        home.check()


def test_what_is_wrong_with_the_place_is_one_sentence_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="The warehouse s3://gone/x cannot be read: there is no bucket gone"):
        Warehouse("s3://gone/x").check()
    store.reset(lambda r: "refuse AccessDenied" if r.operation == "ListObjectsV2" else None)
    with pytest.raises(WarehouseError, match="cannot be read: s3:ListBucket is denied"):
        Warehouse(f"s3://{BUCKET}/x").check()
    store.reset(lambda r: "refuse AccessDenied" if r.operation == "PutObject" else None)
    with pytest.raises(WarehouseError, match="cannot be written: s3:PutObject is denied"):
        Warehouse(f"s3://{BUCKET}/x").check()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WarehouseError, match=r"/file cannot be written: (Not a directory|File exists)"):
        Warehouse(str(tmp_path / "file")).check()


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("s3://", "names no bucket"),
        ("s3:///x", "names no bucket"),
        ("S3://", "small letters"),
        ("S3://b/p", "small letters"),
        ("s3://b/p#x", r"has a \? or a # in it"),
        ("s3://b/p?x", r"has a \? or a # in it"),
        ("s3://b/p?", r"has a \? or a # in it"),
        ("s3://b/p//q", "an empty folder"),
        ("ftp://x", r"neither a folder nor an s3:// URI"),
        ("/tmp/a?b", r"has a \? in its path"),
        ("/tmp/a\\b", r"in its path"),
    ],
)
def test_places_where_no_warehouse_can_be_are_refused(location: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Warehouse(location)


def test_a_prefix_is_the_same_with_and_without_a_slash_and_may_be_none(store: Store) -> None:
    assert Warehouse(f"s3://{BUCKET}/a/b/").location == f"s3://{BUCKET}/a/b"
    whole = Warehouse(f"s3://{BUCKET}/")
    assert whole.location == f"s3://{BUCKET}"
    write(whole.storage, "t/a")
    assert whole.storage.list("t") == ["t/a"]
    assert read(whole.storage, "t/a") == b"all"


@pytest.mark.parametrize("name", ["a%41b", "a b", "a#b", "w[1]*'", "région", "region=eu"])
def test_a_folder_of_any_other_name_works(name: str, looker: Callable[..., Looker], tmp_path: Path) -> None:
    look = looker(builder("a"))
    look.warehouse = Warehouse(str(tmp_path / name), grace=0.0)
    look.publish()
    views.build(look.warehouse)
    rows = views.query(look.warehouse, "select name, region, account_id from image_builders_current").to_pylist()
    assert rows == [{"name": "a", "region": "us-east-1", "account_id": ACCOUNT}]


def test_a_key_in_the_prefix_changes_no_value(looker: Callable[..., Looker]) -> None:
    look = looker(us_east_1=[builder("a")], eu_west_1=[builder("b", "eu-west-1")])
    make_bucket(look.sandbox)
    look.warehouse = Warehouse(f"s3://{BUCKET}/region=x/account_id=999/wh", grace=0.0)
    look.publish("us-east-1", "eu-west-1")
    rows = views.query(look.warehouse, "select region, account_id from image_builders_current order by region")
    assert [tuple(row.values()) for row in rows.to_pylist()] == [("eu-west-1", ACCOUNT), ("us-east-1", ACCOUNT)]
    assert views.build(look.warehouse) == ""


def test_objects_are_encrypted_with_the_key_that_is_named(store: Store) -> None:
    home = Warehouse(f"s3://{BUCKET}/w", kms_key="alias/lake")
    home.check()
    write(home.storage, "t/a")
    puts = [r for r in store.requests if r.operation == "PutObject"]
    assert len(puts) >= 4
    for request in puts:  # Of a bucket whose policy demands it, each would be refused without.
        assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
        assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/lake"


def test_a_lifecycle_rule_for_unfinished_uploads_is_found(store: Store) -> None:
    home = Warehouse(f"s3://{BUCKET}/w")
    assert isinstance(home.storage, ObjectStorage)
    assert home.storage.unfinished_uploads_end_after() is None
    s3 = boto3.client("s3")

    def rule(prefix: str, days: int) -> dict[str, Any]:
        return {
            "ID": prefix or "all",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
        }

    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule("other/", 1)]})
    assert home.storage.unfinished_uploads_end_after() is None
    s3.put_bucket_lifecycle_configuration(
        Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule("other/", 1), rule("", 7)]}
    )
    assert home.storage.unfinished_uploads_end_after() == 7


def test_what_a_dead_process_was_writing_is_removed_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"))
    live = home.storage.create("_staging/live.arrow")
    dead = tmp_path / "w" / "_staging" / "dead.arrow.part"
    dead.write_bytes(b"half")
    home.check()
    assert not dead.exists()
    live.commit()
    assert home.storage.list("_staging") == ["_staging/live.arrow"]
    assert EXTRACTS.name == "extracts"


PROCESS = """
import datetime, json, pathlib
counter = pathlib.Path(__file__).with_suffix(".count")
number = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(number))
soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
print(json.dumps({"Version": 1, "AccessKeyId": f"AKIAKEY{number:09d}", "SecretAccessKey": "x", "SessionToken": "y",
                  "Expiration": soon.isoformat()}))
"""


def test_credentials_that_expire_while_a_run_lasts_are_renewed(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script, config = tmp_path / "credentials.py", tmp_path / "config"
    script.write_text(PROCESS)
    config.write_text(f"[default]\ncredential_process = {sys.executable} {script}\ns3 =\n    addressing_style = path\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    home = Warehouse(f"s3://{BUCKET}/w")
    store.reset()
    write(home.storage, "t/a")
    first = store.requests[-1].headers["authorization"].partition("/")[0]
    assert home.storage.list("t") == ["t/a"]
    assert read(home.storage, "t/a") == b"all"
    assert store.requests[-1].headers["authorization"].partition("/")[0] != first
    assert isinstance(home.storage, ObjectStorage)
    assert home.storage.client.meta.config.s3["addressing_style"] == "path"


def test_a_bucket_of_another_region_is_found(store: Store) -> None:
    front, signed = store._front, []

    def elsewhere(environ: dict[str, Any], start_response: Any) -> Any:
        signed.append(environ["HTTP_AUTHORIZATION"].split("/")[2])
        if signed[-1] == "eu-west-1":
            return front(environ, start_response)
        body = b"<?xml version='1.0'?><Error><Code>PermanentRedirect</Code><Message>Elsewhere.</Message></Error>"
        told = [("x-amz-bucket-region", "eu-west-1"), ("Content-Type", "application/xml")]
        start_response("301 Moved Permanently", [*told, ("Content-Length", str(len(body)))])
        return [body]

    store._front = elsewhere
    home = Warehouse(f"s3://{BUCKET}/w")
    home.check()
    write(home.storage, "t/a")
    assert read(home.storage, "t/a") == b"all"
    assert signed[0] == "us-east-1"
    assert set(signed[1:]) == {"eu-west-1"}, "it is asked for once"
