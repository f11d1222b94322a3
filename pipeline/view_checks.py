"""Asset checks of the views: the data tests of sql/tests, and a check for each rule of `findings`.

What fails warns, unless findings.yaml says otherwise.
"""

from collections.abc import Iterator

import dagster as dg
import duckdb

from pipeline import views
from pipeline.assets import told
from pipeline.data_tests import DataTest, data_tests
from pipeline.markdown import to_markdown
from pipeline.resources import WarehouseResource
from pipeline.rules import Rule, Rules

SAMPLE = 20
_SEVERITY = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


def build_view_checks(rules: Rules) -> list[dg.AssetChecksDefinition]:
    """A check for each data test and each rule whose `checks` is not off, all in one step."""
    tests = {(test.view, test.name): test for test in data_tests() if rules.checks != "off"}
    held = {("findings", rule.name): rule for rule in rules.rules if rule.check != "off"}
    specs = [
        *(dg.AssetCheckSpec(test.name, asset=test.view, description=test.holds) for test in tests.values()),
        *(
            dg.AssetCheckSpec(rule.name, asset="findings", description=f"No image builder: {rule.title}. {rule.source}")
            for rule in held.values()
        ),
    ]
    if not specs:
        return []

    @dg.multi_asset_check(name="view_checks", specs=specs, can_subset=True)
    def view_checks(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        with told(), views.connect(warehouse.open()) as connection:
            for key in sorted(context.selected_asset_check_keys, key=str):
                name = (key.asset_key.path[-1], key.name)
                if name in held:
                    yield _finding(connection, key, held[name])
                else:
                    yield _data_test(connection, key, tests[name], rules.checks)

    return [view_checks]


def _data_test(
    connection: duckdb.DuckDBPyConnection, key: dg.AssetCheckKey, test: DataTest, severity: str
) -> dg.AssetCheckResult:
    failing = connection.sql(test.query).to_arrow_table()
    shown = failing.slice(0, SAMPLE).to_pylist()
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not shown,
        severity=_SEVERITY[severity],
        description=f"{failing.num_rows} rows fail." if shown else None,
        metadata={"failing": failing.num_rows, "rows": dg.MetadataValue.md(to_markdown(shown))},
    )


def _finding(connection: duckdb.DuckDBPyConnection, key: dg.AssetCheckKey, rule: Rule) -> dg.AssetCheckResult:
    found = connection.execute(
        "select status, account_id, region, name, owner, evidence from findings where rule = ? "
        "and status <> 'pass' order by all",
        [rule.name],
    ).to_arrow_table()
    rows = found.to_pylist()
    failing = [row for row in rows if row["status"] == "fail"]
    unknown = len(rows) - len(failing)
    named = ", ".join(f"{row['account_id']}/{row['region']}/{row['name']}" for row in failing[:SAMPLE])
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not failing,
        severity=_SEVERITY[rule.check],
        description=f"{len(failing)} image builders: {rule.title}: {named}" if failing else None,
        metadata={
            "failing": len(failing),
            "unknown": unknown,
            "severity": rule.severity,
            "source": dg.MetadataValue.url(rule.source),
            "rows": dg.MetadataValue.md(to_markdown(failing[:SAMPLE])),
        },
    )
