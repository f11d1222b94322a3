"""What a warehouse holds, read with boto3 or the file system and pyarrow alone: nothing of the pipeline's reading."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq

Rows = dict[str, list[tuple[Any, ...]]]

_ID = re.compile(r"^([^-]+)-[^-]+-[0-9a-f]{4}")


def files(location: str, tables: Collection[str] = ()) -> dict[str, bytes]:
    """Every Parquet file in the tables' folders, or in those of some, by its path; also of a bucket."""

    def _is_table(path: str) -> bool:
        wanted = not tables or path.partition("/")[0] in tables
        return wanted and path.endswith(".parquet") and not path.startswith("_")

    if location.startswith("s3://"):
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        s3 = boto3.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        found = {key.removeprefix(f"{prefix}/"): key for key in keys}
        return {
            path: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for path, key in found.items() if _is_table(path)
        }
    root = Path(location)
    paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*.parquet")}
    return {path: file.read_bytes() for path, file in paths.items() if _is_table(path)}


def _rows(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


def bare(location: str) -> Rows:
    """The rows of every file of each table, as who reads the bare files sees them; ids as before they were joined."""
    found: Rows = {}
    for path, content in files(location).items():
        found.setdefault(path.partition("/")[0], []).extend(map(_told, _rows(content)))
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def committed(location: str, tables: Collection[str] = ()) -> Rows:
    """The rows of the newest committed snapshot of each window; ids as before they were joined."""
    told = {path: _rows(content) for path, content in files(location, tables).items()}
    ids = {row["snapshot_id"] for path, rows in told.items() if path.startswith("extracts/") for row in rows}
    newest: dict[str, str] = {}
    for snapshot_id in sorted(ids):
        newest[snapshot_id.partition("-")[0]] = snapshot_id
    found: Rows = {path.partition("/")[0]: [] for path in told}
    for path, rows in told.items():
        found[path.partition("/")[0]] += [_told(row) for row in rows if row["snapshot_id"] in newest.values()]
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def _told(row: dict[str, Any]) -> tuple[Any, ...]:
    match = _ID.match(row["snapshot_id"])
    assert match
    # What is null says nothing: a column may be younger than a file.
    own = {**row, "snapshot_id": match[0]}
    return tuple(sorted((name, value) for name, value in own.items() if value is not None))
