"""The report as an asset, downstream of the views that it asks."""

import dagster as dg

from pipeline import report, views
from pipeline.defs.catalog import key_of, module_of
from pipeline.defs.failures import fail_with_sentence
from pipeline.defs.resources import WarehouseResource
from pipeline.settings import Environment
from pipeline.views.dependencies import reads
from pipeline.views.generated import TABLES_GROUP
from pipeline.views.sql_files import sql_files, sql_query


def build_report(environment: Environment) -> dg.AssetsDefinition:
    """The page, written into the warehouse."""

    @dg.asset(
        name="report",
        deps=[key_of(name) for name in _upstream()],
        group_name="report",
        kinds={"html"},
        metadata=module_of(report.page.__file__),
        description="One HTML page, for people: the estate today, coverage, states over time, running hours and cost, "
        "changes, findings. It needs no network.",
    )
    def write_report(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
        with fail_with_sentence():
            path = report.keep(warehouse.open(), warehouse.answers(views.Settings.read(environment)))
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(path) if "://" not in path else path})

    return write_report


def _upstream() -> list[str]:
    """The views that the queries of the report read."""
    known = {view.name for view in views.all_views() if view.group != TABLES_GROUP and not view.is_helper}
    read = {name for query in sql_files("report") for name in reads(sql_query("report", query)).views}
    return sorted(read & known)
