"""The views as assets downstream of the tables, created in one step, each with its columns, lineage and rows.

A view that has a file in sql/pictures shows bars, of the labels and numbers that the query there returns, in place of
its first rows.
"""

import functools
from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb
from dagster import AssetExecutionContext

from pipeline import views
from pipeline.contract import PRICES
from pipeline.defs.catalog import key_of, source_of
from pipeline.defs.failures import fail_with_sentence
from pipeline.defs.resources import WarehouseResource
from pipeline.defs.schemas import column_schema
from pipeline.report.markdown import to_bars, to_markdown
from pipeline.settings import Environment
from pipeline.views import View
from pipeline.views.generated import TABLES_GROUP
from pipeline.views.sql_files import comment_and_query, sql_files
from pipeline.views.upstream import upstream

PREVIEW_ROWS = 10


def asset_views() -> list[View]:
    """The views that are assets: not the committed tables, which are others, nor helpers, nor those with parameters."""
    return [v for v in views.all_views() if v.group != TABLES_GROUP and not v.is_helper and not v.parameters]


def build_views(environment: Environment) -> list[dg.AssetsDefinition]:
    """Every view as an asset in the group of its folder, described by its header. A view covers all windows, so it has
    no partitions.

    Those that read prices are a step of their own, so that a price list that cannot be had fails no others.
    """
    listed = asset_views()
    priced = _downstream_of(PRICES.name, listed)
    return [
        _step(environment, "views", [view for view in listed if view.name not in priced]),
        _step(environment, "views_of_prices", [view for view in listed if view.name in priced]),
    ]


def _downstream_of(name: str, listed: list[View]) -> set[str]:
    direct = {view.name for view in listed if name in upstream(view)}
    return direct.union(*(_downstream_of(view, listed) for view in direct))


def _step(environment: Environment, name: str, listed: list[View]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                key_of(view.name),
                deps=[key_of(name) for name in sorted(upstream(view))],
                description=f"{view.purpose}\n\nGrain: {view.grain}",
                group_name=view.group,
                kinds={"duckdb", "sql"},
                metadata={"dagster/column_schema": _schema(view), **source_of(view.group, view.name)},
            )
            for view in listed
        ],
        can_subset=True,
    )
    def create_views(
        context: AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        with fail_with_sentence():
            home, settings = warehouse.open(), views.Settings.read(environment)
            path = views.build(home, settings)
            answers = warehouse.answers(settings)
            for view in listed:
                if key_of(view.name) in context.selected_asset_keys:
                    metadata = answers.ask(functools.partial(_metadata, view=view, path=path))
                    yield dg.MaterializeResult(key_of(view.name), metadata=metadata)

    return create_views


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
    if picture := sql_files("pictures").get(view.name):
        title, sql = comment_and_query(picture.read_text(encoding="utf-8"))
        metadata[title] = dg.MetadataValue.md(to_bars(_rows(connection, sql)))
    else:
        rows = _rows(connection, f"from {view.name} limit {PREVIEW_ROWS}")
        metadata["preview"] = dg.MetadataValue.md(to_markdown(rows))
    return metadata


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
    return rows


def _lineage(view: View) -> dg.TableColumnLineage:
    # sqlglot is not needed to load definitions, nor by a run that makes no view.
    from pipeline.views import lineage

    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(key_of(table), name) for table, name in found]
            for column, found in lineage.of_view(view.name).items()
        }
    )
