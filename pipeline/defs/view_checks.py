"""Asset checks of the views: their data tests, and a check for each rule of `findings`.

What fails warns, unless findings.yaml says otherwise.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb

from pipeline import shown, views
from pipeline.defs.catalog import key_of, name_of
from pipeline.defs.failures import fail_with_sentence
from pipeline.defs.resources import WarehouseResource
from pipeline.errors import counted
from pipeline.report.markdown import to_markdown
from pipeline.settings import Environment
from pipeline.settings.rules import Rule, read_rules
from pipeline.views.data_tests import DataTest, data_tests
from pipeline.views.sql_files import sql_query

SAMPLE = 20

Row = dict[str, Any]

_SEVERITY = {"warn": dg.AssetCheckSeverity.WARN, "error": dg.AssetCheckSeverity.ERROR}


def build_view_checks(environment: Environment) -> list[dg.AssetChecksDefinition]:
    """A check for each data test and each rule whose `checks` is not off, all in one step."""
    rules = read_rules(environment.file("findings"))
    tests = {(test.view, test.name): test for test in data_tests() if rules.checks != "off"}
    rules_by_name = {rule.name: rule for rule in rules.rules if rule.check != "off"}
    specs = [
        *(dg.AssetCheckSpec(test.name, asset=key_of(test.view), description=test.holds) for test in tests.values()),
        *(
            dg.AssetCheckSpec(rule.name, asset=key_of("findings"), description=_promise(rule))
            for rule in rules_by_name.values()
        ),
    ]
    if not specs:
        return []

    @dg.multi_asset_check(name="view_checks", specs=specs, can_subset=True)
    def view_checks(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        keys = sorted(context.selected_asset_check_keys, key=str)
        with fail_with_sentence():
            answers = warehouse.answers(views.Settings.read(environment))
            findings = answers.ask(_not_passed) if any(key.name in rules_by_name for key in keys) else []
            for asset, its_keys in itertools.groupby(keys, key=lambda key: name_of(key.asset_key)):
                asked = {key: tests[asset, key.name] for key in its_keys if (asset, key.name) in tests}
                yield from answers.ask(functools.partial(_data_tests, asset=asset, asked=asked, severity=rules.checks))
            for key in keys:
                if (name_of(key.asset_key), key.name) not in tests:
                    rule = rules_by_name[key.name]
                    yield _finding([row for row in findings if row["rule"] == rule.name], key, rule)

    return [view_checks]


def _data_tests(
    connection: duckdb.DuckDBPyConnection, asset: str, asked: dict[dg.AssetCheckKey, DataTest], severity: str
) -> list[dg.AssetCheckResult]:
    """All tests of a view read the same rows: they are worked out once."""
    connection.execute(f"create or replace temp table {asset} as from {asset}")
    found = [_data_test(connection, key, test, severity) for key, test in asked.items()]
    connection.execute(f"drop table temp.{asset}")
    return found


def _data_test(
    connection: duckdb.DuckDBPyConnection, key: dg.AssetCheckKey, test: DataTest, severity: str
) -> dg.AssetCheckResult:
    failing = connection.sql(test.query).to_arrow_table()
    sample = failing.slice(0, SAMPLE).to_pylist()
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not sample,
        severity=_SEVERITY[severity],
        description=f"{counted(failing.num_rows, 'row fails', 'rows fail')}." if sample else None,
        metadata={"failing": failing.num_rows, "rows": dg.MetadataValue.md(to_markdown(sample))},
    )


def _not_passed(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    rows: list[Row] = connection.sql(sql_query("checks", "findings")).to_arrow_table().to_pylist()
    return rows


def _promise(rule: Rule) -> str:
    return f"No image builder has this: {shown.log(rule.title)}." + (f" Source: {rule.source}" if rule.source else "")


def _finding(rows: list[Row], key: dg.AssetCheckKey, rule: Rule) -> dg.AssetCheckResult:
    failing = [row for row in rows if row["status"] == "fail"]
    named = ", ".join(f"{row['account_id']}/{row['region']}/{row['name']}" for row in failing[:SAMPLE])
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not failing,
        severity=_SEVERITY[rule.check],
        description=shown.log(f"{counted(len(failing), 'image builder')} with this: {rule.title}. {named}")
        if failing
        else None,
        metadata={
            "failing": len(failing),
            "unknown": len(rows) - len(failing),
            "severity": rule.severity,
            **({"source": dg.MetadataValue.url(rule.source)} if rule.source else {}),
            "rows": dg.MetadataValue.md(to_markdown(failing[:SAMPLE])),
        },
    )
