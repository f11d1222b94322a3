"""The report as an asset, downstream of the views that it asks."""

import dagster as dg

from pipeline.defs.resources import WarehouseResource
from pipeline.defs.snapshot import told

UPSTREAM = (
    "coverage",
    "findings",
    "image_builder_changes",
    "image_builder_history",
    "image_builder_owners",
    "image_builders_current",
    "running_cost",
    "running_spans",
    "snapshots",
)


def build_report_asset() -> dg.AssetsDefinition:
    """The page, written into the warehouse."""

    @dg.asset(
        name="report",
        deps=list(UPSTREAM),
        group_name="views",
        kinds={"html"},
        description="One HTML page, for people: the estate today, coverage, states over time, running hours and cost, "
        "changes, findings. It needs no network.",
    )
    def write_report(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
        from pipeline import report  # Charting libraries take their time to load, and definitions must not.

        with told():
            path = report.keep(warehouse.open())
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(path) if "://" not in path else path})

    return write_report
