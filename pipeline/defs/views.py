"""The views as assets downstream of the tables: made in one step, each told of with its columns, lineage and rows."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb
from dagster import AssetExecutionContext

from pipeline.contract import PRICES, TABLES
from pipeline.defs.resources import WarehouseResource
from pipeline.defs.snapshot import column_schema, told
from pipeline.report.markdown import to_bars, to_markdown
from pipeline.views import database as views
from pipeline.views import lineage
from pipeline.views.database import View

GROUP = "views"
PREVIEW_ROWS = 10

_PICTURES = {
    "snapshots": (
        "builders by window",
        "select snapshot_date, builders as number from snapshots order by window_start desc limit 14",
    ),
    "coverage": (
        "targets by last status",
        "select last_status, count(*) as number from coverage group by last_status order by number desc",
    ),
    "image_builders_current": (
        "builders by state",
        "select state, count(*) as number from image_builders_current group by state order by number desc",
    ),
    "image_builder_changes": (
        "changes by day",
        "select cast(changed_at as date) as day, count(*) as number from image_builder_changes "
        "where change <> 'first_seen' group by day order by day desc limit 14",
    ),
    "running_cost": (
        "US dollars by day, at least",
        "select cost_date, round(sum(usd_low), 2) as number from running_cost group by cost_date "
        "order by cost_date desc limit 14",
    ),
    "findings": (
        "failing by rule",
        "select rule, count(*) as number from findings where status = 'fail' group by rule order by number desc",
    ),
    "error_log": (
        "errors by code",
        "select error_code, count(*) as number from error_log group by error_code order by number desc limit 14",
    ),
    "image_usage": (
        "builders by image",
        "select image_name, builders as number from image_usage order by number desc limit 14",
    ),
    "subnet_usage": (
        "builders by subnet",
        "select subnet_id, builders as number from subnet_usage order by number desc limit 14",
    ),
}
"""What a view's asset shows in place of its first rows: a title, and a query for a label and a number a bar."""


def asset_views() -> list[View]:
    """The views that are assets: all but the committed tables, which are others, and those with a parameter."""
    tables = {table.name for table in TABLES} | {views.RECENT}
    return [view for view in views.all_views() if view.name not in tables and not view.parameters]


def build_view_assets() -> list[dg.AssetsDefinition]:
    """Every view as an asset, with its header as description. They have no partitions: a view tells of all windows.

    Those that read prices are a step of their own: a price list that cannot be had keeps them, and no others.
    """
    listed = asset_views()
    priced = _downstream_of(PRICES.name, listed)
    return [
        _step("views", [view for view in listed if view.name not in priced]),
        _step("views_of_prices", [view for view in listed if view.name in priced]),
    ]


def _downstream_of(name: str, listed: list[View]) -> set[str]:
    direct = {view.name for view in listed if name in lineage.upstream(view)}
    return direct.union(*(_downstream_of(view, listed) for view in direct))


def _step(name: str, listed: list[View]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                view.name,
                deps=sorted(lineage.upstream(view)),
                description=f"{view.purpose}\n\nGrain: {view.grain}",
                group_name=GROUP,
                kinds={"duckdb", "view"},
                metadata={"dagster/column_schema": _schema(view)},
            )
            for view in listed
        ],
        can_subset=True,
    )
    def build_views(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        with told():
            home = warehouse.open()
            path = views.build(home)
            with views.connect(home) as connection:
                for view in listed:
                    if dg.AssetKey(view.name) in context.selected_asset_keys:
                        yield dg.MaterializeResult(view.name, metadata=_metadata(connection, view, path))

    return build_views


def _schema(view: View) -> dg.TableSchema:
    # DuckDB knows the types, and is not asked while definitions load.
    return column_schema({name: ("", meaning, True) for name, meaning in view.columns.items()})


def _metadata(connection: duckdb.DuckDBPyConnection, view: View, path: str) -> dict[str, Any]:
    (counted,) = connection.sql(f"select count(*) from {view.name}").fetchall()
    types = {row[0]: row[1] for row in connection.sql(f"describe {view.name}").fetchall()}
    described = {name: (types[name].lower(), meaning, True) for name, meaning in view.columns.items()}
    metadata: dict[str, Any] = {
        "dagster/row_count": counted[0],
        "dagster/column_schema": column_schema(described),
        "dagster/column_lineage": _lineage(view),
        "path": path or "in memory (object store)",
    }
    if view.name in _PICTURES:
        title, sql = _PICTURES[view.name]
        metadata[title] = dg.MetadataValue.md(to_bars(_rows(connection, sql)))
    else:
        rows = _rows(connection, f"from {view.name} limit {PREVIEW_ROWS}")
        metadata["preview"] = dg.MetadataValue.md(to_markdown(rows))
    return metadata


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
    return rows


def _lineage(view: View) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(dg.AssetKey(table), name) for table, name in found]
            for column, found in lineage.of_view(view.name).items()
        }
    )
