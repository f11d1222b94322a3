"""Asset checks: could we look everywhere, are the keys keys, has every child its builder, does AWS tell news.

Each is a query for the rows that fail, over the snapshot of the run's window; a sample of them is shown.
"""

import json
from collections import Counter
from typing import Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from pipeline import contract, model, views
from pipeline.assets import told
from pipeline.contract import CHILDREN, EXTRACTS, IMAGE_BUILDERS, TABLES, Table
from pipeline.markdown import to_markdown
from pipeline.resources import WarehouseResource
from pipeline.windows import Window

SAMPLE = 20


def build_checks(cadence: str) -> list[dg.AssetChecksDefinition]:
    """Every check, each on the asset it speaks of; launched by itself, it looks at the newest snapshot."""

    def rows(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource, sql: str) -> list[dict[str, Any]]:
        """The answer to a query in which {snapshot} stands for the condition on the run's window."""
        newest = "select max(snapshot_id) from extracts"
        if key := context.run.tags.get(PARTITION_NAME_TAG):
            newest += f" where window_start = timestamptz '{Window.of_key(cadence, key).start}'"
        snapshot = f"snapshot_id = ({newest})"
        with told():
            return views.query(warehouse.open(), sql.format(snapshot=snapshot)).to_pylist()

    @dg.asset_check(
        asset=EXTRACTS.name,
        description="Every target was seen. Lists each that was not, and why.",
    )
    def coverage(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
        unseen = rows(
            context,
            warehouse,
            "select account_id, region, coalesce(later_status, status) as status, "
            "coalesce(later_error_code, error_code) as error_code, "
            "coalesce(later_error_message, error_message) as error_message, later_status is not null as is_carried "
            "from extracts where {snapshot} and (status <> 'ok' or later_status <> 'ok') order by all",
        )
        listed = "; ".join(f"{r['account_id']}/{r['region']}: {r['status']} ({r['error_code']})" for r in unseen)
        return dg.AssetCheckResult(
            passed=not unseen,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"{len(unseen)} targets were not seen: {listed}" if unseen else "Every target was seen.",
            metadata={"not seen": dg.MetadataValue.md(to_markdown(unseen))},
        )

    def unique_key(table: Table) -> dg.AssetChecksDefinition:
        key = ", ".join(table.key)

        @dg.asset_check(
            asset=table.name, name="unique_key", description=f"({key}) is unique."
        )
        def check(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
            sql = (
                f"select {key}, count(*) as rows from {table.name} where {{snapshot}} "
                f"group by {key} having count(*) > 1 order by all"
            )
            return _result(rows(context, warehouse, sql), "keys occur more than once")

        return check

    def no_orphans(table: Table) -> dg.AssetChecksDefinition:
        @dg.asset_check(
            asset=table.name,
            name="no_orphans",
            description="Every row belongs to an image builder of its snapshot.",
            additional_deps=[IMAGE_BUILDERS.name],
        )
        def check(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
            sql = (
                f"select arn, position from {table.name} as child where {{snapshot}} and not exists "
                "(select 1 from image_builders as b where b.snapshot_id = child.snapshot_id and b.arn = child.arn)"
            )
            return _result(rows(context, warehouse, sql), "rows have no image builder")

        return check

    @dg.asset_check(
        asset=IMAGE_BUILDERS.name,
        description="AWS tells no member and no enum value that the contract and botocore's model lack. Nothing "
        "is lost if it does: members are in `extra`, values are kept.",
    )
    def drift(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
        extras = rows(
            context,
            warehouse,
            "select extra, count(*) as n from image_builders where {snapshot} and extra is not null group by extra",
        )
        news = unknown_members([(r["extra"], r["n"]) for r in extras])
        for table, column in contract.api_columns():
            if known := model.enums().get(column.source or ""):
                listed = ", ".join(f"'{value}'" for value in known)
                sql = (
                    f"select {column.name} as value, count(*) as n from {table.name} "
                    f"where {{snapshot}} and {column.name} not in ({listed}) group by {column.name} order by all"
                )
                news += [
                    {"what": "enum value", "where": column.source, "value": r["value"], "rows": r["n"]}
                    for r in rows(context, warehouse, sql)
                ]
        return _result(news, "things are new in AWS's replies", dg.AssetCheckSeverity.WARN)

    return [
        coverage,
        drift,
        *(unique_key(t) for t in TABLES),
        *(no_orphans(t) for t in CHILDREN),
    ]


def unknown_members(extras: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """The members found in values of `extra`, by path (list positions as `[]`), and in how many rows."""
    found: Counter[str] = Counter()
    for text, count in extras:
        for path in set(_paths(json.loads(text), contract.BUILDER, "")):
            found[path] += count
    return [{"what": "member", "where": path, "value": None, "rows": n} for path, n in sorted(found.items())]


def _paths(extra: dict[str, Any], kind: Any, path: str) -> list[str]:
    paths = []
    for name, value in extra.items():
        if not hasattr(kind, "names") and hasattr(kind, "value_type"):
            paths += _paths(value, kind.value_type, f"{path}[]")
        elif (index := kind.get_field_index(name)) >= 0:
            paths += _paths(value, kind.field(index).type, f"{path}.{name}".lstrip("."))
        else:
            paths.append(f"{path}.{name}".lstrip("."))
    return paths


def _result(
    failing: list[dict[str, Any]], what: str, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not failing,
        severity=severity,
        description=f"{len(failing)} {what}." if failing else None,
        metadata={"failing": len(failing), "sample": dg.MetadataValue.md(to_markdown(failing[:SAMPLE]))},
    )
