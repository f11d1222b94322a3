"""A Delta log over the committed files: no file is copied, and only what has changed since the last export is written.

The logs lie in `_delta/`, outside the tables' folders, so that who reads those is not disturbed. A log names files by
their full paths. Each table is atomic by itself only: Delta commits one table at a time, the warehouse nine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.contract import EXTRACTS, HIVE_KEY, PRICES, TABLES, Table
from pipeline.errors import WarehouseError, missing_extra
from pipeline.warehouse.contents import Contents
from pipeline.warehouse.holdings import Holdings
from pipeline.warehouse.snapshot_ids import Name
from pipeline.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from deltalake.transaction import AddAction

FOLDER = "_delta"


@dataclass(frozen=True)
class Exported:
    """What was written of a table: its log's place and version, and how many files came and went since the last one."""

    table: str
    location: str
    version: int
    added: int
    removed: int


def export_delta(warehouse: Warehouse) -> list[Exported]:
    """Brings the Delta log of every table up to what is committed now; returns what was done.

    Raises NoSnapshotError before the first snapshot, WarehouseError where the logs cannot be written, and
    ConfigurationError where the package is not installed.
    """
    try:
        import deltalake  # noqa: F401
    except ImportError as error:
        raise missing_extra("The export", "delta", error) from error
    with warehouse.storage.lock():
        holdings = warehouse.holdings()
        if not holdings.commits:
            raise warehouse.no_snapshot()
        contents = Contents.of(warehouse.storage, holdings)
        names = contents.counting(holdings.names(EXTRACTS))
        return _write(warehouse, holdings, names)


def _write(warehouse: Warehouse, holdings: Holdings, names: Sequence[Name]) -> list[Exported]:
    from deltalake.exceptions import DeltaError

    files = {t: holdings.prices if t is PRICES else holdings.files(t, names) for t in (*TABLES, PRICES)}
    try:
        return [_export(warehouse, holdings, table, paths) for table, paths in files.items() if paths]
    except (DeltaError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise WarehouseError(f"The Delta logs of {warehouse.location} cannot be written: {reason}.") from error


def _export(warehouse: Warehouse, holdings: Holdings, table: Table, paths: Sequence[str]) -> Exported:
    from deltalake import DeltaTable
    from deltalake.schema import Schema
    from deltalake.transaction import create_table_with_add_actions

    place = f"{warehouse.location}/{FOLDER}/{table.name}"
    options = _options(warehouse)
    files = {f"{warehouse.location}/{path}": path for path in paths}
    # All may be null: a column may be younger than a file.
    fields = [pa.field(f.name, f.type) for f in table.schema] + [pa.field(HIVE_KEY, pa.date32())]
    schema = Schema.from_arrow(pa.schema(fields))
    if not DeltaTable.is_deltatable(place, options):
        create_table_with_add_actions(
            place,
            schema,
            [_action(holdings, full, path) for full, path in files.items()],
            mode="error",
            partition_by=[HIVE_KEY],
            name=table.name,
            description=table.grain,
            storage_options=options,
        )
        return Exported(table.name, place, 0, len(files), 0)
    log = DeltaTable(place, storage_options=options)
    known = set(pa.table(log.get_add_actions(flatten=True))["path"].to_pylist())
    added, removed = set(files) - known, known - set(files)
    if added or removed:
        # Of the days of which a file is gone, what is there replaces what was.
        days = {_day(path) for path in removed}
        written = {full for full in files if full in added or _day(full) in days}
        log.create_write_transaction(
            [_action(holdings, full, files[full]) for full in sorted(written)],
            mode="overwrite" if days else "append",
            schema=schema,
            partition_by=[HIVE_KEY],
            partition_filters=[(HIVE_KEY, "in", sorted(days))] if days else None,
        )
        log.update_incremental()
    return Exported(table.name, place, log.version(), len(added), len(removed))


def _day(path: str) -> str:
    return path.rpartition(f"{HIVE_KEY}=")[2].partition("/")[0]


def _action(holdings: Holdings, full: str, path: str) -> AddAction:
    from deltalake.transaction import AddAction

    return AddAction(full, holdings.size(path), {HIVE_KEY: _day(path)}, 0, True, "{}")


def _options(warehouse: Warehouse) -> dict[str, str]:
    """What deltalake must be told of an object store: the credentials, region and endpoint of boto3's own."""
    from pipeline.warehouse.s3_storage import ObjectStorage

    storage = warehouse.storage
    if not isinstance(storage, ObjectStorage):
        return {}
    credentials: Any = storage.session.get_credentials().get_frozen_credentials()
    # It follows no redirect to a bucket's region, and has AWS's endpoints by itself.
    endpoint = storage.client.meta.endpoint_url
    is_aws = ".amazonaws.com" in endpoint
    kms_key = storage.encryption.get("SSEKMSKeyId")
    told = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token,
        "AWS_REGION": storage.region(),
        "AWS_ENDPOINT_URL": None if is_aws else endpoint,
        "aws_server_side_encryption": "aws:kms" if kms_key else None,
        "aws_sse_kms_key_id": kms_key,
        "AWS_ALLOW_HTTP": "true" if endpoint.startswith("http://") else None,
        "AWS_CONDITIONAL_PUT": "etag",
    }
    return {name: value for name, value in told.items() if value}
