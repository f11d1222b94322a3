"""The history views over a year, beside the same questions put by hand to one sorted Parquet file. Run by `make bench`.

What is compared is the reading of a warehouse of many snapshots and what is honest about looks that failed; the file by
hand has neither: it knows that every look went well. Both sides make a table of their whole answer.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb

from bench import history
from pipeline import contract, views
from pipeline.report.markdown import to_markdown
from pipeline.warehouse import Warehouse, upkeep

SIZES = (("hourly", 1_000, 8_760), ("daily", 10_000, 365))
ROUNDS = 3
WANTED, WANTED_CURRENT = 2.0, 0.1
WANTED_OF = {"running_spans": 3.0, "running_cost": 5.0}
"""Of these, the question by hand is a smaller one: it knows of no absences, interfaces, billed hours or owners."""

_CONSTANT = ("snapshot_id", "account_id", "region", "arn", "name", "observed_at", "tags_observed_at")
_FIELDS = [c.name for c in contract.IMAGE_BUILDERS.columns if c.name not in _CONSTANT]
_CHANGED = " or ".join(f"{name} is distinct from lag({name}) over w" for name in _FIELDS)

_VERSIONS = f"""
select *, row_number() over v as version, observed_at as valid_from, lead(observed_at) over v as valid_to
from (select *, lag(arn) over w is null or {_CHANGED} as is_new from builders
    window w as (partition by arn order by observed_at))
where is_new
window v as (partition by arn order by observed_at)
"""

_SPANS = """
select arn, name, instance_type, platform, volume_gb, min(observed_at) as first_seen_at,
    max(observed_at) as last_seen_at, min(previous_at) as started_after, max(next_at) as ended_before
from (
    select *, sum(is_new) over (partition by arn order by observed_at) as span from (
        select arn, name, state, instance_type, platform, root_volume_config_volume_size_in_gb as volume_gb,
            observed_at, lag(observed_at) over w as previous_at, lead(observed_at) over w as next_at,
            case when state is distinct from lag(state) over w
                or instance_type is distinct from lag(instance_type) over w
                or platform is distinct from lag(platform) over w then 1 else 0 end as is_new
        from builders window w as (partition by arn order by observed_at)
    )
)
where state = 'RUNNING' group by arn, name, instance_type, platform, volume_gb, span
"""

_FIELD_CHANGES = " union all ".join(
    f"select arn, observed_at, '{name}' as field, cast(was_{name} as varchar) as from_value, "
    f"cast({name} as varchar) as to_value from versions where was_{name} is distinct from {name}"
    for name in _FIELDS
)
_LIST_CHANGES = " union all ".join(
    f"""select arn, observed_at, '{column}s' as field, was, now from (
        select arn, observed_at, elements as now, lag(elements) over (partition by arn order by observed_at) as was
        from (select arn, observed_at, array_to_string(list_sort(list(distinct {column})), ', ') as elements
            from {table} group by arn, observed_at))
    where was is distinct from now and was is not null"""
    for table, column in (("subnets", "subnet_id"), ("security_groups", "security_group_id"))
)

BY_HAND = {
    "image_builder_history": _VERSIONS,
    "image_builder_changes": (
        f"with versions as (select *, {', '.join(f'lag({n}) over v as was_{n}' for n in _FIELDS)}, "
        f"lag(arn) over v is not null as is_later from ({_VERSIONS}) "
        "window v as (partition by arn order by observed_at) "
        f"qualify is_later) {_FIELD_CHANGES} union all {_LIST_CHANGES} "
        "union all select arn, min(observed_at), null, null, null from builders group by arn"
    ),
    "running_spans": f"select *, date_diff('second', first_seen_at, last_seen_at) / 3600 as hours_low from ({_SPANS})",
    # By who trusts that every look went well and was complete: no billed hours, no price.
    "running_cost": """
select arn, name, day, instance_type, platform, sum(case when is_low then seconds else 0 end) as low,
    sum(greatest(0, least(likely_to, day + 86400) - greatest(likely_from, day))) as likely, sum(seconds) as high
from (
    select *, least(upto, day + 86400) - greatest(since, day) as seconds
    from (
        select *, unnest(generate_series(since // 86400 * 86400, (upto - 1) // 86400 * 86400, 86400)) as day
        from (
            select arn, name, since, upto, runs and runs_then and upto - since <= 10800 as is_low,
                case when runs or not runs_then then instance_type else then_type end as instance_type,
                case when runs or not runs_then then platform else then_platform end as platform,
                case when runs then since when runs_then then (since + upto) // 2 else upto end as likely_from,
                case when runs_then or not runs then upto else (since + upto) // 2 end as likely_to
            from (
                select arn, name, instance_type, platform, state = 'RUNNING' as runs,
                    lead(state = 'RUNNING') over w as runs_then, lead(instance_type) over w as then_type,
                    lead(platform) over w as then_platform,
                    epoch_us(observed_at) // 1000000 as since, lead(epoch_us(observed_at) // 1000000) over w as upto
                from builders window w as (partition by arn order by observed_at)
            )
            where since < upto and (runs or runs_then or upto - since > 10800)
        )
    )
)
group by all""",
    "image_builders_current": "select * from builders where snapshot_id = (select max(snapshot_id) from builders)",
}
"""The same questions, to `builders`, `subnets` and `security_groups`, each one file sorted by ARN and moment."""


def run(folder: Path) -> str:
    """The tables of both sizes, in Markdown."""
    return "\n\n".join(_of_size(folder, *size) for size in SIZES)


def _of_size(folder: Path, cadence: str, builders: int, windows: int) -> str:
    location = folder / cadence
    if not location.exists():
        history.write(location, cadence, builders, windows)
        # As many runs would have done, one after another.
        upkeep.tend(Warehouse(str(location)), history.FIRST + timedelta(days=366), at_once=windows)
        _sort(location)
    home = Warehouse(str(location))
    views.build(home)
    rows = []
    for name, by_hand in BY_HAND.items():
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(_timed(lambda: views.connect(home), f"from {name}"))
            theirs.append(_timed(lambda: _by_hand(location), by_hand))
        ratio = statistics.median(o / t for (o, _), (t, _) in zip(ours, theirs, strict=True))
        wanted = (
            f"at most {WANTED_CURRENT * 1e3:.0f} ms"
            if name == "image_builders_current"
            else f"at most {WANTED_OF.get(name, WANTED)}"
        )
        rows.append(
            {
                "view": name,
                "rows": f"{ours[0][1]:,}",
                "seconds": f"{statistics.median(o for o, _ in ours):.2f}",
                "by hand": f"{statistics.median(t for t, _ in theirs):.2f}",
                "÷ by hand": f"{ratio:.2f}",
                "wanted": wanted,
            }
        )
    title = f"A year of {cadence} snapshots of {builders:,} image builders ({builders * windows:,} rows{_size(home)})"
    return f"{title}\n\n{to_markdown(rows, is_markup=True)}"


def _size(home: Warehouse) -> str:
    sizes = home.storage.sizes()
    own = [size for path, size in sizes.items() if "/" in path and path.endswith(".parquet")]
    return f"; {len(own):,} files, {sum(own) / 1e6:,.1f} MB"


def _sort(location: Path) -> None:
    with duckdb.connect() as connection:
        for table, name in (
            ("image_builders", "builders"),
            ("image_builder_subnets", "subnets"),
            ("image_builder_security_groups", "security_groups"),
        ):
            source = f"read_parquet('{location}/{table}/*/*.parquet', hive_partitioning = true)"
            moments = (
                ""
                if table == "image_builders"
                else f" join (select snapshot_id, arn, observed_at from {_first(location)}) using (snapshot_id, arn)"
            )
            target = f"'{location}/{name}.parquet' (compression zstd)"
            connection.execute(f"copy (from {source}{moments} order by arn, observed_at) to {target}")


def _first(location: Path) -> str:
    return f"read_parquet('{location}/image_builders/*/*.parquet', hive_partitioning = true)"


def _by_hand(location: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for name in ("builders", "subnets", "security_groups"):
        connection.execute(f"create view {name} as from '{location}/{name}.parquet'")
    return connection


def _timed(connect: Callable[[], duckdb.DuckDBPyConnection], query: str) -> tuple[float, int]:
    """Seconds for the whole answer, connection included, and its rows."""
    started = time.perf_counter()
    with connect() as connection:
        connection.execute(f"create temp table answer as {query}")
        seconds = time.perf_counter() - started
        (count,) = connection.sql("select count(*) from answer").fetchall()
    return seconds, count[0]


if __name__ == "__main__":
    print(run(Path(sys.argv[1])))
