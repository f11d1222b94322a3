"""Asset checks of the tables: was every target seen, are keys unique, has every child row its image builder, does AWS
send what the contract does not declare.

Each is a query for rows that fail, over the snapshot of the run's window; a sample of them is shown.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from pipeline import contract, shown, views
from pipeline.aws import service_model
from pipeline.contract import CHILDREN, EXTRACTS, IMAGE_BUILDERS, TABLES, Column, Table
from pipeline.defs.catalog import key_of, name_of
from pipeline.defs.failures import fail_with_sentence
from pipeline.defs.resources import WarehouseResource
from pipeline.errors import TargetsNotSeenError, counted
from pipeline.report.markdown import to_markdown
from pipeline.settings import Environment
from pipeline.views.data_tests import repeated_keys
from pipeline.views.sql_files import sql_query
from pipeline.warehouse import Warehouse
from pipeline.warehouse.inventory import damage
from pipeline.warehouse.snapshot_ids import Name
from pipeline.windows import Window

SAMPLE = 20

Row = dict[str, Any]

_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
_SPECS = [
    dg.AssetCheckSpec(
        "coverage", asset=key_of(EXTRACTS.name), description="Every target was seen. Lists each that was not, and why."
    ),
    dg.AssetCheckSpec(
        "files",
        asset=key_of(EXTRACTS.name),
        description="The files of every committed snapshot are there and no others; those of the newest two days hold "
        "as many rows as their commits say.",
    ),
    dg.AssetCheckSpec(
        "drift",
        asset=key_of(IMAGE_BUILDERS.name),
        description="AWS tells no member and no enum value that the contract and botocore's model lack. Nothing is "
        "lost if it does: members are in `extra`, values are kept.",
    ),
    *(
        dg.AssetCheckSpec("unique_key", asset=key_of(t.name), description=f"({', '.join(t.key)}) is unique.")
        for t in TABLES
    ),
    *(
        dg.AssetCheckSpec(
            "no_orphans",
            asset=key_of(t.name),
            additional_deps=[key_of(IMAGE_BUILDERS.name)],
            description="Every row belongs to an image builder of its snapshot.",
        )
        for t in CHILDREN
    ),
]


def build_checks(environment: Environment) -> list[dg.AssetChecksDefinition]:
    """Every check, in one step; launched by itself, it looks at the newest snapshot."""

    @dg.multi_asset_check(name="checks", specs=_SPECS, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        key = context.run.tags.get(PARTITION_NAME_TAG)
        window = Window.of_key(environment.window_cadence, key) if key else None
        window_start = str(window.start) if window else None
        names = [t.name for t in TABLES]
        with fail_with_sentence():
            home = warehouse.open()
            since = window.start.date() if window else _newest_day(home)
            # The check `files` is to tell of files that are gone.
            answers = views.Answers(home, views.Settings.read(environment), names, require_files=False, since=since)
        with fail_with_sentence(), answers:
            snapshot = _Snapshot(answers, window_start, home)
            for check in sorted(context.selected_asset_check_keys, key=str):
                yield _check(snapshot, check)
            if key and environment.fail_unseen != "never":
                _require_seen(snapshot, environment.fail_unseen)

    return [checks]


def _newest_day(home: Warehouse) -> date | None:
    newest = home.newest()
    return Name(None, newest).day if newest else None


_OF_NEWEST = f"snapshot_id = ({sql_query('checks', 'newest_snapshot')})"
"""Within each query, because a later run of the window may replace the snapshot between two of them."""


@dataclass(frozen=True)
class _Snapshot:
    """The snapshot that is checked: the newest, or that of a window."""

    answers: views.Answers
    window_start: str | None
    warehouse: Warehouse

    def ask(self, sql: str) -> list[Row]:
        """The rows of a query with the parameter `$window_start`."""
        window = {"window_start": self.window_start}
        rows: list[Row] = self.answers.ask(lambda views: views.sql(sql, params=window).to_arrow_table()).to_pylist()
        return rows


def _check(snapshot: _Snapshot, key: dg.AssetCheckKey) -> dg.AssetCheckResult:
    table = contract.table(name_of(key.asset_key))
    if key.name == "files":
        failing, severity, one, many = damage(snapshot.warehouse), _ERROR, "file is", "files are"
        problem = "not what was committed"
    elif key.name == "coverage":
        failing, severity, problem = _not_seen(snapshot), _ERROR, "not seen"
        looked, _ = _targets(snapshot)
        one = many = f"of {counted(looked, 'target')} {'was' if len(failing) == 1 else 'were'}"
    elif key.name == "drift":
        failing, severity, problem = _drift(snapshot), _WARN, "new in AWS's replies"
        one, many = "thing is", "things are"
    elif key.name == "unique_key":
        failing, severity, problem = _repeated_keys(snapshot, table), _ERROR, "more than once"
        one, many = "key occurs", "keys occur"
    else:
        failing, severity, problem = _orphans(snapshot, table), _ERROR, "no image builder"
        one, many = "row has", "rows have"
    sample = failing if key.name == "coverage" else failing[:SAMPLE]
    told = shown.log("; ".join(", ".join(str(v) for v in row.values() if v is not None) for row in sample))
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not failing,
        severity=severity,
        description=f"{counted(len(failing), one, many)} {problem}: {told}" if failing else None,
        metadata={"failing": len(failing), "rows": dg.MetadataValue.md(to_markdown(sample))},
    )


def _require_seen(snapshot: _Snapshot, what: str) -> None:
    """Raises TargetsNotSeenError where a run is to fail because of them."""
    looked, not_seen = _targets(snapshot)
    if not_seen and (what == "any" or not_seen == looked):
        raise TargetsNotSeenError(
            f"{not_seen:,} of {counted(looked, 'target')} {'was' if looked == 1 else 'were'} not seen; the snapshot is "
            f"committed, and the run fails because IMAGE_BUILDERS_FAIL_UNSEEN is {what}."
        )


def _targets(snapshot: _Snapshot) -> tuple[int, int]:
    """How many targets the snapshot tells of, and how many of them were not seen."""
    (row,) = snapshot.ask(
        f"select count(*) as targets from extracts where {_OF_NEWEST} and is_configured is distinct from false"
    )
    return row["targets"], len(_not_seen(snapshot))


def _not_seen(snapshot: _Snapshot) -> list[Row]:
    if snapshot.ask(sql_query("checks", "newest_snapshot")) == [{"snapshot_id": None}]:
        return [{"target": "all", "status": "no snapshot"}]
    return snapshot.ask(sql_query("checks", "not_seen"))


def _repeated_keys(snapshot: _Snapshot, table: Table) -> list[Row]:
    return snapshot.ask(repeated_keys(table.name, table.key, where=_OF_NEWEST))


def _orphans(snapshot: _Snapshot, table: Table) -> list[Row]:
    return snapshot.ask(
        f"select arn, position from {table.name} as child where {_OF_NEWEST} and not exists "
        "(select 1 from image_builders as b where b.snapshot_id = child.snapshot_id and b.arn = child.arn) order by all"
    )


def _drift(snapshot: _Snapshot) -> list[Row]:
    extras = snapshot.ask(sql_query("checks", "extras"))
    replies = snapshot.ask(sql_query("checks", "extras_of_replies"))
    return [
        *unknown_members([(r["extra"], r["n"]) for r in extras]),
        *({"what": "member of the reply", "where": m, "rows": 1} for r in replies for m in json.loads(r["extra"])),
        *(
            {"what": "enum value", "where": column.source, "value": row["value"], "rows": row["n"]}
            for table, column, known in _enums()
            for row in snapshot.ask(
                f"select {column.name} as value, count(*) as n from {table.name} where {_OF_NEWEST} "
                f"and {column.name} not in ({known}) group by {column.name} order by all"
            )
        ),
    ]


def _enums() -> Iterator[tuple[Table, Column, str]]:
    for table, column in contract.api_columns():
        if known := service_model.enums().get(column.source or ""):
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
