"""A lock in an object store: an object that is put on the condition that nobody else has put it.

Its holder renews it while it lives. One that was not renewed for as long as its lease said is broken by whoever wants
it. Both moments, when it was put and now, are of the store's own clock.

Source of the conditions: Amazon S3's user guide, "Add preconditions to S3 operations with conditional requests".
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import WarehouseError
from pipeline.warehouse.s3_errors import as_sentence, code_of, is_not_there, is_refused_condition
from pipeline.warehouse.storage import LostLockError, cannot_wait

LEASE = 30.0
"""Seconds that a lock lasts without being renewed."""

_NO_TOKEN = f'"{"0" * 32}"'
"""An ETag that no object has."""

POLL = 0.5
"""Seconds between two looks at a lock that another process holds."""


@dataclass
class LeasedLock:
    """The lock, as an object of a bucket."""

    client: Any
    bucket: str
    key: str
    location: str
    patience: float
    encryption: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def held(self) -> Iterator[Lease]:
        """A context that one process at a time is in."""
        with as_sentence("written", self.location, self.bucket):
            lease = Lease(self, self._take())
        try:
            yield lease
        finally:
            lease.end()

    def require_conditions(self, lease: Lease) -> None:
        """Raises WarehouseError where the store puts an object although its condition does not hold."""
        lease.require()
        for name, condition in (("If-None-Match", {"IfNoneMatch": "*"}), ("If-Match", {"IfMatch": _NO_TOKEN})):
            try:
                lease.token = self.put(lease.holder, condition)
            except ClientError as error:
                if not is_refused_condition(error):
                    raise
                continue
            raise WarehouseError(
                f"The store of the warehouse {self.location} does not heed conditional puts ({name}), so that two "
                "runs could not be kept apart: use a store that does, or a folder."
            )

    def put(self, holder: str, condition: dict[str, str]) -> str:
        """Puts the object as held by somebody, by nobody if `holder` is empty; returns its ETag."""
        try:
            reply = self.client.put_object(
                Bucket=self.bucket,
                Key=self.key,
                # Each hold is another object, or the token of one would stand for another.
                Body=f"{holder} {secrets.token_hex(8)}".encode() if holder else b"",
                Metadata={"holder": holder, "lease": str(LEASE), "host": socket.gethostname(), "pid": str(os.getpid())},
                **condition,
                **self.encryption,
            )
        except ClientError as error:
            if code_of(error) in ("NotImplemented", "501"):
                raise WarehouseError(
                    f"The store of the warehouse {self.location} takes no conditional puts "
                    f"({next(iter(condition))}), so that two runs could not be kept apart: use a store that does, or "
                    "a folder."
                ) from error
            raise
        return str(reply["ETag"])

    def look(self) -> dict[str, Any] | None:
        """The lock's object as HEAD tells it; None where there is none."""
        try:
            reply: dict[str, Any] = self.client.head_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if is_not_there(error):
                return None
            raise
        return reply

    def _take(self) -> tuple[str, str]:
        """Waits until the lock is free, and takes it; returns who holds it now and the object's ETag."""
        holder = secrets.token_hex(16)
        until = time.monotonic() + self.patience
        while True:
            seen = self.look()
            if seen and seen["Metadata"].get("holder") == holder:
                return holder, seen["ETag"]  # It was put, and the reply was lost.
            if seen is None or not seen["Metadata"].get("holder") or _is_over(seen):
                condition = {"IfMatch": seen["ETag"]} if seen else {"IfNoneMatch": "*"}
                try:
                    return holder, self.put(holder, condition)
                except ClientError as error:
                    if not (is_refused_condition(error) or is_not_there(error)):
                        raise
                    seen = None  # Somebody was faster, or it was this put, and its reply was lost.
            if time.monotonic() > until:
                raise cannot_wait(self.location, _told(seen), self.patience)
            time.sleep(POLL if seen else POLL / 10)


class Lease:
    """A lock that is held, and renewed until it ends."""

    def __init__(self, lock: LeasedLock, taken: tuple[str, str]) -> None:
        self._lock = lock
        self.holder, self.token = taken
        self._renewed = _now()
        self._is_lost = False
        self._busy = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Raises LostLockError where it was lost: the store was out of reach for too long, or another broke it."""
        with self._busy:
            is_old = _now() - self._renewed > LEASE / 2
            if is_old and not self._is_lost:
                with as_sentence("written", self._lock.location, self._lock.bucket):
                    self._put()
            if self._is_lost:
                raise LostLockError(
                    f"The lock of the warehouse {self._lock.location} was lost while it was held, because the store "
                    "could not be reached in time or this process stood still; run this again."
                )

    def end(self) -> None:
        """Gives the lock back. One that cannot be given back ends by itself."""
        self._ended.set()
        with self._busy, suppress(ClientError, BotoCoreError):
            if not self._is_lost:
                self._lock.put("", {"IfMatch": self.token})

    def _renew(self) -> None:
        while not self._ended.wait(LEASE / 3):
            with self._busy, suppress(BotoCoreError, ClientError):
                if not self._ended.is_set() and not self._is_lost:
                    self._put()

    def _put(self) -> None:
        asked = _now()
        try:
            self.token = self._lock.put(self.holder, {"IfMatch": self.token})
        except ClientError as error:
            if not is_refused_condition(error) and not is_not_there(error):
                raise
            seen = self._lock.look()
            if not seen or seen["Metadata"].get("holder") != self.holder:
                self._is_lost = True
                return
            self.token = seen["ETag"]  # It was put, and the reply was lost.
        self._renewed = asked


def _now() -> float:
    """Seconds that go on while a machine sleeps, where there is such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _is_over(seen: dict[str, Any]) -> bool:
    now = seen["ResponseMetadata"]["HTTPHeaders"].get("date")
    put: datetime = seen["LastModified"]
    lease = float(seen["Metadata"].get("lease", LEASE))
    return bool(now) and (parsedate_to_datetime(now) - put).total_seconds() > lease + 1.0  # Both are whole seconds.


def _told(seen: dict[str, Any] | None) -> str:
    held = seen["Metadata"] if seen else {}
    return f" (process {held['pid']} on {held['host']})" if "pid" in held and "host" in held else ""
