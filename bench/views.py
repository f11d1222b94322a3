"""The views of history over a year, with the fold and without, beside the same questions put by hand to one sorted
Parquet file. Run by `make bench`.

What is compared is the reading of a warehouse of many snapshots and what is honest about looks that failed; the file by
hand has neither: it knows that every look went well. Each question is asked twice: for a sum by something, and for all
rows, of which both sides make a table. Seconds begin before the connection is made.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb

from bench import history
from pipeline import contract, views
from pipeline.report.markdown import to_markdown
from pipeline.warehouse import Warehouse, upkeep
from pipeline.warehouse.holdings import FOLD

SIZES = (("hourly", 1_000, 8_760), ("daily", 10_000, 365))
ROUNDS = 3
END = history.FIRST + timedelta(days=366)
AGGREGATED, READ_OUT = 0.1, 0.5
"""How much of the time by hand a question may take with the fold."""

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
    # Rules beyond how long a builder has been in its state cost little, so only those are counted by hand.
    "findings": """
select arn, name, state, max(observed_at) as seen, min(observed_at) as since
from (
    select *, sum(is_new) over (partition by arn order by observed_at) as stretch,
        max(observed_at) over (partition by arn) as newest
    from (
        select arn, name, state, observed_at,
            case when state is distinct from lag(state) over w then 1 else 0 end as is_new
        from builders window w as (partition by arn order by observed_at)
    )
)
group by arn, name, state, stretch, newest having max(observed_at) = newest""",
}
BY_HAND["cost_by_month"] = f"""
select date_trunc('month', make_timestamp(day * 1000000)) as month, instance_type, count(distinct arn) as builders,
    sum(low) as low, sum(likely) as likely, sum(high) as high
from ({BY_HAND["running_cost"]}) group by all"""
"""The same questions, to `builders`, `subnets` and `security_groups`, each one file sorted by ARN and moment."""

SUMS = {
    "image_builder_history": ("state, count(*)", "state, count(*)"),
    "image_builder_changes": ("field, count(*)", "field, count(*)"),
    "running_spans": ("owner, sum(hours_low)", "name, sum(hours_low)"),
    "running_cost": ("owner, sum(usd_estimate), sum(hours_estimate)", "name, sum(likely)"),
    "cost_by_month": ("month, sum(usd_estimate), sum(hours_estimate)", "month, sum(likely)"),
    "findings": ("rule, status, count(*)", "state, count(*)"),
}
"""What is summed up of each view, and of the answer by hand."""

CURRENT = "select * from builders where snapshot_id = (select max(snapshot_id) from builders)"


def run(folder: Path) -> str:
    """The tables of both sizes, in Markdown."""
    return "\n\n".join(_of_size(folder, *size) for size in SIZES)


def _of_size(folder: Path, cadence: str, builders: int, windows: int) -> str:
    location = folder / cadence
    home = Warehouse(str(location), grace=0.0)
    if not location.exists():
        history.write(location, cadence, builders, windows)
        # As many runs would have done, one after another.
        upkeep.tend(home, END, at_once=windows)
        _sort(location)
    first_fold, (day_seconds, day_bytes) = _folded(home), _fold_of_a_day(home)
    rows, scratch = [], 0.0
    for name in SUMS:
        row, seconds = _compared(home, location, name)
        rows.append(row)
        scratch += seconds
    title = f"A year of {cadence} snapshots of {builders:,} image builders ({builders * windows:,} rows{_size(home)})"
    others = [
        _line("image_builders_current, ÷ by hand", _current(home, location), "no more than before"),
        _line("the first fold, ÷ those views without a fold", first_fold / scratch, "at most 1.5"),
        _line("folding a day, seconds", day_seconds, "at most 1"),
        _line("folding a day, KB written", day_bytes / 1e3, "at most 100"),
        *(
            _line(
                f"{view} of one builder, seconds",
                _asked(home, f"from {view} where name = 'builder-00012'", view),
                "at most 0.3",
            )
            for view in ("image_builder_history", "running_spans", "image_builder_changes")
        ),
        *_ten_years(home),
    ]
    return f"{title}\n\n{to_markdown(rows, is_markup=True)}\n\n{to_markdown(others, is_markup=True)}"


def _line(what: str, value: float, wanted: str) -> dict[str, str]:
    return {"what": what, "is": f"{value:.2f}", "wanted": wanted}


def _folded(home: Warehouse) -> float:
    """Seconds for all steps of a fold of all but the last day."""
    shutil.rmtree(Path(home.location, FOLD), ignore_errors=True)
    started, before = time.perf_counter(), None
    while (through := views.fold(home, None, END - timedelta(days=1))) != before:
        before = through
    return time.perf_counter() - started


def _fold_of_a_day(home: Warehouse) -> tuple[float, int]:
    """Seconds and bytes written, of the last day."""
    before = set(home.storage.list(FOLD))
    started = time.perf_counter()
    views.fold(home, None, END)
    seconds = time.perf_counter() - started
    return seconds, sum(size for path, size in home.storage.sizes(FOLD).items() if path not in before)


def _compared(home: Warehouse, location: Path, name: str) -> tuple[dict[str, str], float]:
    """A row of the table; and the seconds for all rows of the view without the fold."""
    ours, by_hand = SUMS[name]
    told = {"view": name}
    scratch = 0.0
    for kind, own, other, wanted in (
        (
            "summed up",
            f"select {ours} from {name} group by all",
            f"select {by_hand} from ({BY_HAND[name]}) group by all",
            AGGREGATED,
        ),
        ("read out", f"from {name}", BY_HAND[name], READ_OUT),
    ):
        pairs = [(_asked(home, own, name), _timed(partial(_by_hand, location), other)) for _ in range(ROUNDS)]
        scratch = _timed(partial(views.connect, home, names=[name], with_fold=False), own)
        told |= {
            f"{kind}: with the fold": f"{statistics.median(o for o, _ in pairs):.2f}",
            f"{kind}: without": f"{scratch:.2f}",
            f"{kind}: by hand": f"{statistics.median(h for _, h in pairs):.2f}",
            f"{kind}: ÷ by hand": f"{statistics.median(o / h for o, h in pairs):.2f}",
            f"{kind}: wanted": f"at most {wanted}",
        }
    return told, scratch


def _current(home: Warehouse, location: Path) -> float:
    pairs = [
        (
            _asked(home, "from image_builders_current", "image_builders_current"),
            _timed(lambda: _by_hand(location), CURRENT),
        )
        for _ in range(ROUNDS)
    ]
    return statistics.median(ours / hand for ours, hand in pairs)


def _ten_years(home: Warehouse) -> list[dict[str, str]]:
    """Questions over the last thirty days, after ten years by those after one."""
    since = f"timestamptz '{END - timedelta(days=30):%Y-%m-%d}'"
    asked = {
        "image_builder_changes": ("field, count(*)", f"changed_at >= {since}"),
        "running_cost": ("owner, sum(usd_estimate)", f"cost_date >= {since}::date"),
        "image_builder_history": ("state, count(*)", f"valid_from >= {since}"),
    }
    questions = {
        name: f"select {told} from {name} where {condition} group by all" for name, (told, condition) in asked.items()
    }
    one = {name: statistics.median(_asked(home, q, name) for _ in range(ROUNDS)) for name, q in questions.items()}
    history.repeat(home, 10)
    ten = {name: statistics.median(_asked(home, q, name) for _ in range(ROUNDS)) for name, q in questions.items()}
    return [
        _line(f"{name} of the last 30 days, after ten years ÷ after one", ten[name] / one[name], "about 1")
        for name in questions
    ]


def _asked(home: Warehouse, query: str, name: str) -> float:
    return _timed(lambda: views.connect(home, names=[name]), query)


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


def _timed(connect: Callable[[], duckdb.DuckDBPyConnection], query: str) -> float:
    """Seconds for the whole answer, connection included."""
    started = time.perf_counter()
    with connect() as connection:
        connection.execute(f"create temp table answer as {query}")
        return time.perf_counter() - started


if __name__ == "__main__":
    print(run(Path(sys.argv[1])))
