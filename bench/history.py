"""A year of snapshots of builders that live ordinary lives, as a warehouse and as one sorted file.

The files are written as `publish` would write them, without its locks, pauses and cleaning: what is measured is how
the views read.
"""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import contract
from pipeline.contract import DATA_TABLES, EXTRACTS, HIVE_KEY, Table
from pipeline.warehouse import Warehouse
from pipeline.warehouse.folds import Fold, write_manifest
from pipeline.warehouse.holdings import MANIFEST
from pipeline.windows import Window

ACCOUNT = "123456789012"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1")
_IMAGES = "arn:aws:appstream:us-east-1::image/AppStream-WinServer2022-"
_INSTANCES = ("stream.standard.medium", "stream.standard.large", "stream.memory.2xlarge", "stream.graphics.g4dn.xlarge")
FIRST = datetime(2025, 11, 1, tzinfo=UTC)


class Estate:
    """Builders whose state follows office hours, and whose agent, role or subnets change now and then."""

    def __init__(self, builders: int, seed: int = 7) -> None:
        self.n = builders
        rng = self._rng = np.random.default_rng(seed)
        self.regions = [REGIONS[i * len(REGIONS) // builders] for i in range(builders)]
        self.names = [f"builder-{i:05d}" for i in range(builders)]
        self.arns = [
            f"arn:aws:appstream:{r}:{ACCOUNT}:image-builder/{n}" for r, n in zip(self.regions, self.names, strict=True)
        ]
        self.kind = rng.integers(0, 10, builders)
        self.agent = rng.integers(0, 4, builders)
        self.internet = rng.random(builders) < 0.3
        self.imds = rng.random(builders) < 0.6
        self.subnet = rng.integers(0, max(1, builders // 20), builders)
        self.types = rng.integers(0, 4, builders)
        self.images = rng.integers(0, 8, builders)

    def live(self, at: datetime) -> None:
        """Some of them are changed: one in a thousand a look."""
        for values, limit in ((self.agent, 4), (self.subnet, max(1, self.n // 20))):
            which = self._rng.integers(0, self.n, max(1, self.n // 1000))
            values[which] = self._rng.integers(0, limit, len(which))

    def states(self, at: datetime) -> list[str]:
        working = at.weekday() < 5 and 8 <= at.hour < 18
        awake = self._rng.random(self.n) < (0.9 if working else 0.02)
        running = (self.kind == 0) | ((self.kind < 7) & awake)
        return [str(state) for state in np.where(running, "RUNNING", "STOPPED")]

    def tables(self, snapshot_id: str, at: datetime) -> dict[str, pa.Table]:
        n = self.n
        rows: dict[str, Any] = {
            "snapshot_id": pa.repeat(pa.scalar(snapshot_id), n),
            "account_id": pa.repeat(pa.scalar(ACCOUNT), n),
            "region": self.regions,
            "arn": self.arns,
            "name": self.names,
            "display_name": self.names,
            "image_arn": [f"{_IMAGES}0{i + 1}-15-2025" for i in self.images],
            "state": self.states(at),
            "created_time": pa.repeat(pa.scalar(FIRST - timedelta(days=30), contract.MOMENT), n),
            "instance_type": [_INSTANCES[i] for i in self.types],
            "platform": pa.repeat(pa.scalar("WINDOWS_SERVER_2022"), n),
            "is_default_internet_access_enabled": self.internet,
            "is_imdsv1_disabled": self.imds,
            "appstream_agent_version": [f"0{i + 1}-15-2026" for i in self.agent],
            "latest_appstream_agent_version": ["TRUE" if i == 3 else "FALSE" for i in self.agent],
            "root_volume_config_volume_size_in_gb": pa.repeat(pa.scalar(200), n),
            "observed_at": pa.repeat(pa.scalar(at, contract.MOMENT), n),
        }
        key = {k: rows[k] for k in ("snapshot_id", "account_id", "region", "arn")}
        key["position"] = pa.repeat(pa.scalar(0, pa.int32()), n)
        subnets = {**key, "subnet_id": [f"subnet-{i:017x}" for i in self.subnet]}
        groups = {**key, "security_group_id": [f"sg-{i % 50:017x}" for i in self.subnet]}
        found = {"image_builders": rows, "image_builder_subnets": subnets, "image_builder_security_groups": groups}
        return {t.name: _table(t, found.get(t.name, {})) for t in DATA_TABLES}

    def looks(self, snapshot_id: str, window: Window, at: datetime) -> pa.Table:
        rows = [
            {
                "snapshot_id": snapshot_id,
                "account_id": ACCOUNT,
                "region": region,
                "window_start": window.start,
                "window_end": window.end,
                "is_configured": True,
                "status": "ok",
                "complete": True,
                "started_at": at,
                "observed_at": at,
                "pages": 1,
                "builders": self.regions.count(region),
                "duplicates": 0,
                "retries": 0,
                "botocore_version": "1.44.5",
                "contract_version": 1,
            }
            for region in REGIONS
        ]
        return pa.Table.from_pylist(rows, schema=EXTRACTS.schema)


def _table(table: Table, rows: dict[str, Any]) -> pa.Table:
    n = len(rows["arn"]) if rows else 0
    columns = [
        pa.array(rows[f.name], f.type)
        if isinstance(rows.get(f.name), list | np.ndarray)
        else rows[f.name].cast(f.type)
        if f.name in rows
        else pa.nulls(n, f.type)
        for f in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def write(location: Path, cadence: str, builders: int, windows: int) -> None:
    estate = Estate(builders)
    step = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}[cadence]
    for number in range(windows):
        window = Window.at(cadence, FIRST + number * step)
        at = window.start + timedelta(minutes=5, hours=0 if cadence == "hourly" else 12)
        estate.live(at)
        snapshot_id = f"{window.id}-{at:%Y%m%dT%H%M%S%f}-0000"
        tables = estate.tables(snapshot_id, at) | {EXTRACTS.name: estate.looks(snapshot_id, window, at)}
        for name, table in tables.items():
            folder = location / name / f"{HIVE_KEY}={window.start:%Y-%m-%d}"
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, folder / f"{snapshot_id}.parquet", compression="zstd")


def repeat(home: Warehouse, years: int) -> None:
    """Makes the fold of a year one of so many: its finished rows again, as many years earlier."""
    holdings = home.holdings()
    (manifest,) = (path for path in holdings.of_fold if path.endswith(MANIFEST))
    told = json.loads(gzip.decompress(Path(home.location, manifest).read_bytes()))
    for name, relation in told["relations"].items():
        if name.startswith("open_"):
            continue
        earlier = []
        for back in range(years - 1, 0, -1):
            for file in relation["files"]:
                path = file["path"].replace(".parquet", f"-{back}.parquet")
                moved = ", ".join(
                    f"{column} - interval {365 * back} day as {column}"
                    for column, kind in relation["columns"].items()
                    if kind.startswith("TIMESTAMP")
                )
                days = "".join(
                    f", ({column} - {365 * back})::DATE as {column}"
                    for column, kind in relation["columns"].items()
                    if kind == "DATE"
                )
                replaced = f"{moved}{days}".removeprefix(", ")
                source, target = (Path(home.location, each) for each in (file["path"], path))
                with duckdb.connect() as connection:
                    connection.execute(
                        f"copy (select * replace ({replaced}) from '{source}') to '{target}' "
                        "(format parquet, compression zstd, row_group_size 32768)"
                    )
                content = target.read_bytes()
                earlier.append(
                    file | {"path": path, "size": len(content), "crc": zlib.crc32(content), "year": file["year"] - back}
                )
        relation["files"] = earlier + relation["files"]
    Path(home.location, manifest).unlink()
    write_manifest(home, holdings, Fold.of(json.dumps(told)))
