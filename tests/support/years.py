"""A warehouse that has been kept for long: a window a day, with the upkeep that as many runs would have done."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import HIVE_KEY, TABLES
from pipeline.warehouse import Warehouse, tend
from pipeline.windows import Window
from tests.support.estates import builder
from tests.support.replay import Look, replay


def grow(home: Warehouse, first: datetime, last: datetime, cadence: str = "daily") -> None:
    """Fills an empty folder with windows from a moment to another, all of which see the same two image builders."""
    replay(home, first, {"us-east-1": Look([builder("a"), builder("b", State="STOPPED")])}, cadence)
    (snapshot_id,) = home.snapshots()
    seen = {
        table: pq.read_table(path, partitioning=None).to_pylist()
        for table in TABLES
        for path in Path(home.location, table.name).rglob(f"{snapshot_id}.parquet")
    }
    at, step = first, timedelta(days=1) if cadence == "daily" else timedelta(hours=1)
    while (at := at + step) <= last:
        _write(home, seen, at, cadence)
        if at.day == 3 and at.hour == first.hour:
            tend(home, at, at_once=10_000)
    tend(home, last)


def _write(home: Warehouse, seen: dict[Any, list[dict[str, Any]]], at: datetime, cadence: str) -> None:
    """Writes a snapshot as another one was, without the steps of publishing it."""
    window = Window.at(cadence, at)
    own = {"snapshot_id": f"{window.id}-{at:%Y%m%dT%H%M%S%f}-0000"}
    moments = {"window_start": window.start, "window_end": window.end, "configured_at": at}
    moments |= {"started_at": at, "observed_at": at}
    for table, rows in seen.items():
        written = [row | own | {name: at for name, at in moments.items() if name in row} for row in rows]
        folder = Path(home.location) / table.name / f"{HIVE_KEY}={window.start:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(written, schema=table.schema), folder / f"{own['snapshot_id']}.parquet")
