"""Asset checks: could we look everywhere, are the keys keys, has every child its builder, does AWS tell news.

Each is a query for the rows that fail, over the snapshot of the run's window; a sample of them is shown.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from pipeline import contract
from pipeline.aws import service_model as model
from pipeline.contract import CHILDREN, EXTRACTS, IMAGE_BUILDERS, TABLES, Column, Table
from pipeline.defs.resources import WarehouseResource
from pipeline.defs.snapshot import told
from pipeline.report.markdown import to_markdown
from pipeline.views import database as views
from pipeline.windows import Window

SAMPLE = 20

Row = dict[str, Any]
Ask = Callable[[str], list[Row]]
"""Answers a query in which {snapshot} stands for the condition on the snapshot that is checked."""

_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
_SPECS = [
    dg.AssetCheckSpec(
        "coverage", asset=EXTRACTS.name, description="Every target was seen. Lists each that was not, and why."
    ),
    dg.AssetCheckSpec(
        "drift",
        asset=IMAGE_BUILDERS.name,
        description="AWS tells no member and no enum value that the contract and botocore's model lack. Nothing is "
        "lost if it does: members are in `extra`, values are kept.",
    ),
    *(dg.AssetCheckSpec("unique_key", asset=t.name, description=f"({', '.join(t.key)}) is unique.") for t in TABLES),
    *(
        dg.AssetCheckSpec(
            "no_orphans",
            asset=t.name,
            additional_deps=[IMAGE_BUILDERS.name],
            description="Every row belongs to an image builder of its snapshot.",
        )
        for t in CHILDREN
    ),
]


def build_checks(cadence: str) -> list[dg.AssetChecksDefinition]:
    """Every check, in one step; launched by itself, it looks at the newest snapshot."""

    @dg.multi_asset_check(name="checks", specs=_SPECS, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        newest = "select max(snapshot_id) from extracts"
        if key := context.run.tags.get(PARTITION_NAME_TAG):
            newest += f" where window_start = timestamptz '{Window.of_key(cadence, key).start}'"
        with told(), views.connect(warehouse.open(), [t.name for t in TABLES]) as connection:

            def ask(sql: str) -> list[Row]:
                condition = f"snapshot_id = ({newest})"
                return connection.sql(sql.format(snapshot=condition)).to_arrow_table().to_pylist()  # type: ignore[no-any-return]

            for key in sorted(context.selected_asset_check_keys, key=str):
                yield _check(ask, key)

    return [checks]


def _check(ask: Ask, key: dg.AssetCheckKey) -> dg.AssetCheckResult:
    table = contract.table(key.asset_key.path[-1])
    if key.name == "coverage":
        failing, severity, said = _not_seen(ask), _ERROR, "targets were not seen"
    elif key.name == "drift":
        failing, severity, said = _news(ask), _WARN, "things are new in AWS's replies"
    elif key.name == "unique_key":
        failing, severity, said = _repeated_keys(ask, table), _ERROR, "keys occur more than once"
    else:
        failing, severity, said = _orphans(ask, table), _ERROR, "rows have no image builder"
    shown = failing if key.name == "coverage" else failing[:SAMPLE]
    described = "; ".join(", ".join(str(v) for v in row.values() if v is not None) for row in shown)
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not failing,
        severity=severity,
        description=f"{len(failing)} {said}: {described}" if failing else None,
        metadata={"failing": len(failing), "rows": dg.MetadataValue.md(to_markdown(shown))},
    )


def _not_seen(ask: Ask) -> list[Row]:
    if not ask("select 1 from extracts where {snapshot} limit 1"):
        return [{"target": "all", "status": "no snapshot"}]
    return ask(
        "select account_id || '/' || region as target, coalesce(later_status, status) as status, "
        "case when later_status is null then error_code else later_error_code end as error_code, "
        "case when later_status is null then error_message else later_error_message end as error_message "
        "from extracts where {snapshot} and (status <> 'ok' or later_status <> 'ok') "
        "and is_configured is distinct from false order by all"
    )


def _repeated_keys(ask: Ask, table: Table) -> list[Row]:
    key = ", ".join(table.key)
    return ask(
        f"select {key}, count(*) as rows from {table.name} where {{snapshot}} "
        f"group by {key} having count(*) > 1 order by all"
    )


def _orphans(ask: Ask, table: Table) -> list[Row]:
    return ask(
        f"select arn, position from {table.name} as child where {{snapshot}} and not exists "
        "(select 1 from image_builders as b where b.snapshot_id = child.snapshot_id and b.arn = child.arn) order by all"
    )


def _news(ask: Ask) -> list[Row]:
    extras = ask(
        "select extra, count(*) as n from image_builders where {snapshot} and extra is not null group by extra"
    )
    replies = ask("select extra, 1 as n from extracts where {snapshot} and extra is not null")
    return [
        *unknown_members([(r["extra"], r["n"]) for r in extras]),
        *({"what": "member of the reply", "where": m, "rows": r["n"]} for r in replies for m in json.loads(r["extra"])),
        *(
            {"what": "enum value", "where": column.source, "value": row["value"], "rows": row["n"]}
            for table, column, known in _enums()
            for row in ask(
                f"select {column.name} as value, count(*) as n from {table.name} where {{snapshot}} "
                f"and {column.name} not in ({known}) group by {column.name} order by all"
            )
        ),
    ]


def _enums() -> Iterator[tuple[Table, Column, str]]:
    for table, column in contract.api_columns():
        if known := model.enums().get(column.source or ""):
            yield table, column, ", ".join(f"'{value}'" for value in known)


def unknown_members(extras: list[tuple[str, int]]) -> list[Row]:
    """The members found in values of `extra`, by path (list positions as `[]`), and in how many rows each is."""
    found: Counter[str] = Counter()
    for text, count in extras:
        for path in set(_paths(json.loads(text), contract.BUILDER, "")):
            found[path] += count
    return [{"what": "member", "where": path, "value": None, "rows": n} for path, n in sorted(found.items())]


def _paths(extra: Row, kind: Any, path: str) -> list[str]:
    if hasattr(kind, "value_type"):
        return [found for element in extra.values() for found in _paths(element, kind.value_type, f"{path}[]")]
    paths = []
    for name, value in extra.items():
        here = f"{path}.{name}" if path else name
        index = kind.get_field_index(name)
        paths += [here] if index < 0 else _paths(value, kind.field(index).type, here)
    return paths
