"""A warehouse in an object store, by boto3: its credentials, regions, retries and addresses are those of every call."""

from __future__ import annotations

import builtins
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any
from urllib.parse import urlsplit

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import replies, sessions
from pipeline.errors import ConfigurationError, WarehouseError
from pipeline.warehouse.s3_errors import as_sentence, code_of, is_not_there, is_refused_condition
from pipeline.warehouse.s3_lock import LeasedLock
from pipeline.warehouse.s3_reads import FilesForDuckDB, Object, Reader
from pipeline.warehouse.storage import PATIENCE, FileSystem, UnknownOutcomeError

IN_PARTS_FROM = 64 * 2**20
"""Bytes from which on a file is uploaded in parts. What is smaller is put in one request and leaves nothing behind."""

ATTEMPTS = 4
"""How often a commit is put that another put of the same key is in the way of."""

_MOST_AT_ONCE = 1000
"""Keys that one DeleteObjects takes."""


class _Object:
    """Written to a local file without a name, which ends with this process; uploaded when it is whole."""

    def __init__(self, storage: ObjectStorage, path: str, only_new: bool) -> None:
        self._storage, self._path, self._only_new = storage, path, only_new
        self.sink: IO[bytes] = tempfile.TemporaryFile()
        self._was_sent = False

    def commit(self) -> None:
        with self.sink:
            self.sink.flush()
            self._was_sent = True
            self._storage.upload(self.sink, self._path, self._only_new)

    def discard(self) -> None:
        with suppress(OSError, ValueError):
            self.sink.close()
        with suppress(WarehouseError):
            if self._was_sent:  # Whether or not it arrived.
                self._storage.remove(self._path)


class ObjectStorage:
    """A bucket and prefix. An upload appears whole; nobody sees what was not committed."""

    is_remote = True

    def __init__(self, uri: str, patience: float = PATIENCE, kms_key: str | None = None) -> None:
        """`kms_key`: the KMS key that objects are encrypted with; the bucket's own default without one.

        Raises ConfigurationError for a URI that names no bucket and prefix.
        """
        self.bucket, self._prefix = _bucket_and_prefix(uri)
        self._uri = f"s3://{self.bucket}/{self._prefix}".rstrip("/")
        self.encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        self.session = session = sessions.new_session()
        if session.get_credentials() is None:
            raise ConfigurationError("AWS credentials are missing, and the warehouse is on S3: set AWS_PROFILE.")
        # Requests for a bucket of another region are sent there by botocore, once it was told where that is.
        region = sessions.configured_region(session) or "us-east-1"
        self.client = sessions.client(session, "s3", region, limits=replies.Limits(most_bytes=None))
        self.reader = Reader(self.client, self.bucket, self._uri)
        self.files: FileSystem | None = FilesForDuckDB(self.reader, self.bucket)
        self._lock = LeasedLock(
            self.client, self.bucket, self._key(".lock"), self._uri, patience, encryption=self.encryption
        )

    @property
    def location(self) -> str:
        return self._uri

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def list(self, folder: str = "") -> builtins.list[str]:
        return sorted(self.sizes(folder))

    def sizes(self, folder: str = "") -> dict[str, int]:
        return self._list(self._key(f"{folder}/" if folder else ""))

    def sizes_of(self, folders: Sequence[str]) -> dict[str, int]:
        """By few requests: those that begin with _ each by itself, the others as a stretch of the alphabet."""
        single = [folder for folder in folders if folder.startswith("_")]
        others = sorted(folder for folder in folders if folder not in single)
        found = {path: size for folder in single for path, size in self.sizes(folder).items()}
        if others:
            # The character after the slash ends a folder.
            stretch = self._list(self._key(""), self._key(f"{others[0]}/"), self._key(f"{others[-1]}0"))
            found |= {path: size for path, size in stretch.items() if path.partition("/")[0] in others}
        return found

    def _list(self, prefix: str, after: str = "", until: str | None = None) -> dict[str, int]:
        found: dict[str, int] = {}
        asked = {"StartAfter": after} if after else {}
        with as_sentence("read", self.location, self.bucket):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **asked)
            for page in pages:
                for item in page.get("Contents", ()):
                    if until is not None and item["Key"] >= until:
                        return found
                    self.reader.knows(item["Key"], item["ETag"], item["Size"])
                    if not item["Key"].endswith("/"):
                        found[item["Key"].removeprefix(self._key(""))] = item["Size"]
        return found

    def open(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(Object(self.reader, self._key(path)), mode="r")

    def create(self, path: str, only_new: bool = False) -> _Object:
        return _Object(self, path, only_new)

    def upload(self, file: IO[bytes], path: str, only_new: bool) -> None:
        """Puts a file. With `only_new`, raises WarehouseError where another object has the path."""
        key, size = self._key(path), file.seek(0, 2)
        file.seek(0)
        self.reader.forget(key)
        with as_sentence("written", self.location, self.bucket):
            if size >= IN_PARTS_FROM and not only_new:
                # What was begun is aborted by boto3 when it fails, and when it is interrupted.
                from boto3.s3.transfer import TransferConfig  # It takes long to import, and few files are so large.

                config = TransferConfig(multipart_threshold=IN_PARTS_FROM, use_threads=False)
                self.client.upload_fileobj(file, self.bucket, key, ExtraArgs=dict(self.encryption), Config=config)
                return
            condition = {"IfNoneMatch": "*"} if only_new else {}
            for attempt in range(ATTEMPTS):
                file.seek(0)
                try:
                    self.client.put_object(Bucket=self.bucket, Key=key, Body=file, **condition, **self.encryption)
                except (ClientError, BotoCoreError) as error:
                    if only_new and self._arrived(error, key, file):
                        return
                    # Another put of the key is under way, its own perhaps, whose reply was lost.
                    is_busy = isinstance(error, ClientError) and code_of(error) in ("ConditionalRequestConflict", "409")
                    if not (only_new and is_busy) or attempt + 1 == ATTEMPTS:
                        raise
                    time.sleep(attempt)
                else:
                    return

    def _arrived(self, error: Exception, key: str, file: IO[bytes]) -> bool:
        """Whether the object is there nevertheless: it was put, the reply was lost, and so it was put once more."""
        if isinstance(error, ClientError) and not is_refused_condition(error) and _status(error) < 500:
            return False
        file.seek(0)
        try:
            return bool(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read() == file.read())
        except (ClientError, BotoCoreError) as other:
            if isinstance(other, ClientError) and is_not_there(other):
                return False
            raise UnknownOutcomeError(
                f"The warehouse {self.location} was out of reach while {key} was put, and whether it is there is not "
                "known: `image-builders query` tells, once the warehouse can be reached."
            ) from error

    def remove(self, *paths: str) -> None:
        keys = [self._key(path) for path in paths]
        with as_sentence("written", self.location, self.bucket):
            for first in range(0, len(keys), _MOST_AT_ONCE):
                some = [{"Key": key} for key in keys[first : first + _MOST_AT_ONCE]]
                reply = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
                for failed in reply.get("Errors", ()):
                    raise OSError(f"{failed['Key']} cannot be removed ({failed.get('Message') or failed.get('Code')})")
        for key in keys:
            self.reader.forget(key)

    def remove_dead(self) -> None:
        """There are none: a file that is being written is this machine's, and ends with its process."""

    def age(self, path: str) -> float:
        with as_sentence("read", self.location, self.bucket):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=self._key(path))
            except ClientError as error:
                if is_not_there(error):
                    return 0.0
                raise
        return float(time.time() - found["LastModified"].timestamp())

    def lock(self) -> Any:
        return self._lock.held()

    def check(self) -> None:
        self.list("extracts")
        with self._lock.held() as lease, as_sentence("written", self.location, self.bucket):
            self._lock.require_conditions(lease)

    def region(self) -> str:
        """The bucket's region. Raises WarehouseError."""
        with as_sentence("read", self.location, self.bucket):
            told = self.client.head_bucket(Bucket=self.bucket).get("BucketRegion")
        return str(told or self.client.meta.region_name)

    def unfinished_uploads_end_after(self) -> int | None:
        """Days after which the bucket's lifecycle rules abort an upload that nobody finished; None where none does.

        Raises WarehouseError where the rules cannot be read.
        """
        with as_sentence("read", self.location, self.bucket):
            try:
                rules = self.client.get_bucket_lifecycle_configuration(Bucket=self.bucket)["Rules"]
            except ClientError as error:
                if error.response["Error"].get("Code") == "NoSuchLifecycleConfiguration":
                    return None
                raise
        days = [
            rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            for rule in rules
            if rule.get("Status") == "Enabled"
            and "AbortIncompleteMultipartUpload" in rule
            and self._key("").startswith(_prefix_of(rule))
        ]
        return min(days, default=None)


def _prefix_of(rule: dict[str, Any]) -> str:
    condition = rule.get("Filter", {})
    return str(condition.get("Prefix") or condition.get("And", {}).get("Prefix") or rule.get("Prefix") or "")


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _bucket_and_prefix(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if not uri.startswith("s3://"):
        raise ConfigurationError(f"The warehouse {uri} is no URI of S3's: write s3:// in small letters.")
    if parts.query or parts.fragment or uri.rstrip("/")[-1] in "?#":
        raise ConfigurationError(f"The warehouse {uri} has a ? or a # in it: S3's URIs are s3://bucket/prefix.")
    if not parts.netloc:
        raise ConfigurationError(f"The warehouse {uri} names no bucket: write s3://bucket/prefix.")
    if "//" in parts.path.rstrip("/"):
        raise ConfigurationError(f"The warehouse {uri} has an empty folder in it: write s3://bucket/prefix.")
    return parts.netloc, parts.path.strip("/")
