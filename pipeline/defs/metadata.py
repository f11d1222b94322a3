"""What Dagster's pages show of a table that was materialized."""

from __future__ import annotations

import contextlib
from typing import Any

import dagster as dg

from pipeline.contract import EXTRACTS, Table
from pipeline.errors import WarehouseError
from pipeline.report.markdown import to_markdown
from pipeline.warehouse import Extracted, Published, Warehouse

PREVIEW_ROWS = 10
COVERAGE_ROWS = 500


def metadata_of(home: Warehouse, published: Published, table: Table, extracted: list[Extracted]) -> dict[str, Any]:
    """Of a table of a committed snapshot: its rows, where they are, the first; of `extracts`, how looks went."""
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": published.counts[table.name],
        "dagster/uri": f"{home.location}/{published.paths[table.name]}",
        "path": dg.MetadataValue.path(f"{home.location}/{published.paths[table.name]}"),
        "snapshot_id": published.snapshot_id,
    }
    if table is EXTRACTS:
        metadata["coverage"] = dg.MetadataValue.md(_coverage(published.rows))
        looked = [r for e in extracted for r in e.rows]
        metadata["targets"] = len(looked)
        metadata["targets_not_seen"] = sum(r["status"] != "ok" for r in looked)
    else:
        with contextlib.suppress(WarehouseError):  # A later run of the window may have replaced it already.
            rows = home.head(table, published.snapshot_id, PREVIEW_ROWS).to_pylist()
            metadata["preview"] = dg.MetadataValue.md(to_markdown(rows))
    return metadata


def _coverage(rows: list[dict[str, Any]]) -> str:
    """The targets, those that were not seen first; of a large organization, not every one that was."""
    shown = (
        "account_id",
        "account_name",
        "region",
        "status",
        "complete",
        "builders",
        "error_code",
        "error_message",
        "later_status",
    )
    rows = sorted(rows, key=lambda r: (r.get("later_status") or r["status"]) == "ok")
    more = len(rows) - COVERAGE_ROWS
    table = to_markdown([{k: r.get(k) for k in shown} for r in rows[:COVERAGE_ROWS]])
    return table + (f"\n\nand {more:,} more, in `extracts`" if more > 0 else "")
