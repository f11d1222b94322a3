"""Price snapshots in the warehouse: each is one file of `instance_prices`, and a commit of its own."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import HIVE_KEY, PRICES
from pipeline.warehouse.storage import as_warehouse_error, committed
from pipeline.warehouse.warehouse import Warehouse


def keep_prices(warehouse: Warehouse, prices: pa.Table) -> str:
    """Adds a price snapshot to the warehouse, whole or not at all; returns its path there. Raises WarehouseError."""
    snapshot_id = prices["snapshot_id"][0].as_py()
    date = datetime.strptime(snapshot_id[:8], "%Y%m%d").strftime("%Y-%m-%d")
    path = f"{PRICES.name}/{HIVE_KEY}={date}/{snapshot_id}.parquet"
    storage = warehouse.storage
    with (
        storage.lock(),
        as_warehouse_error("written", storage.location),
        committed(storage.create(path, only_new=True)) as sink,
    ):
        pq.write_table(prices, sink, compression="zstd")
    return path
