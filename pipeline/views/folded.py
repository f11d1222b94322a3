"""The views over a fold: history is what is finished, what was open, and what was seen since.

Each view of history is put together of three. `folded.<view>` are its finished rows. `since.<view>`, in the files of
sql/fold, stands for the view's own query, of the looks that are not folded and the last sighting of each builder before
them. `live.<view>` joins the first row of that to the open row that it goes on from (sql/fold/live). The view itself is
what is finished and what is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from pipeline.contract import DATA_TABLES, EXTRACTS, HIVE_KEY, IMAGE_BUILDERS
from pipeline.views.dependencies import FOLDED, LIVE
from pipeline.views.renaming import of_what_came, renamed
from pipeline.views.sql_files import comment_and_query, sql_files
from pipeline.views.view import View
from pipeline.warehouse.scan import UNFOLDED, committed_extracts, committed_rows

TIMED = (
    "image_builder_pieces",
    "image_builder_stretches",
    "image_builder_spans",
    "image_builder_conditions",
    "image_builder_intervals",
    "running_seconds",
    "volume_seconds",
)
"""What depends on the rules that say what is billed, what looks prove and when people work."""

COMPUTED = (
    EXTRACTS.name,
    IMAGE_BUILDERS.name,
    "looks",
    "look_numbers",
    "watched_targets",
    "looks_by_day",
    "image_builder_sightings",
    "image_builder_comparisons",
    "image_builder_history",
    "image_builder_versions",
    "image_builder_elements",
    "image_builder_changes",
    "image_builder_tags_told",
    "errors_seen",
    *TIMED,
)
"""The views whose queries are put to what is not folded."""

FOLDABLE = frozenset(COMPUTED) - {EXTRACTS.name, IMAGE_BUILDERS.name, "looks"} | {
    "image_builder_owner_history",
    "findings",
    "platforms",
    "finding_facts",
}
"""The views that a fold makes quicker; what reads none of them need not know of it."""

_WHOLE = ("watched_targets", "errors_seen")
"""Of them, those of which what is live is all there is."""

CLOSED = {
    "image_builder_history": ("arn", "valid_from"),
    "image_builder_changes": ("arn", "changed_at"),
    "image_builder_spans": ("arn", "first_seen_at"),
    "running_seconds": ("arn", "cost_date"),
    "volume_seconds": ("arn", "cost_date"),
    "looks_by_day": ("account_id", "region", "look_date"),
    "image_builder_tags_told": ("arn", "observed_at"),
    "image_builder_tags": ("arn", "snapshot_id", "tag_key"),
}
"""What is finished, in the order in which it is made, for one is made of another; and by which columns it is sorted,
those that questions filter by.
"""

_UNITED = tuple(name for name in CLOSED if name in COMPUTED and name != "image_builder_tags_told")
"""The views that are what is finished and what is live."""

OPEN = {
    "image_builder_sightings": ("arn", "observed_at"),
    "image_builder_elements": ("arn", "field", "element"),
    "image_builder_history": ("arn",),
    "image_builder_pieces": ("arn",),
    "image_builder_stretches": ("arn",),
    "image_builder_conditions": ("arn",),
    "image_builder_intervals": ("arn", "from_second"),
    "targets": ("account_id", "region"),
    "looks_by_day": ("account_id", "region"),
    "errors_seen": ("arn",),
    "platforms_seen": ("platform",),
}
"""What may go on, likewise."""


def open_name(name: str) -> str:
    return f"open_{name}"


@cache
def _fold_sql(folder: str, name: str) -> str | None:
    path = sql_files(f"fold/{folder}").get(name)
    return comment_and_query(path.read_text(encoding="utf-8"))[1] if path else None


def query_of(folder: str, name: str) -> str:
    """The query of a file of sql/fold, without its first comment."""
    query = _fold_sql(folder, name)
    assert query is not None
    return query


def opening_query(name: str) -> str:
    """The query of the open rows of a kind."""
    # Of a version's columns, those that the one that goes on from it takes over.
    taken_over = f"select arn, version, last_seen_at, {', '.join(_of_beginning())}"
    query = query_of("open", name)
    return query.replace("select *", taken_over) if name == "image_builder_history" else query


def closing_query(name: str, views: Mapping[str, View]) -> str:
    """The query of the finished rows of a kind, given the views without a fold."""
    return of_what_came(query_of("closed", name), lambda came: _computed_query(views[came], _live_names(came)))


def over_fold(views: Mapping[str, View], has_times: bool = True) -> dict[str, View]:
    """The views as they are over a fold. Without `has_times`, those that go by hours are left as they are."""
    found = dict(views)
    for name in COMPUTED:
        if name in TIMED and not has_times:
            continue
        query = _computed_query(views[name], _live_names(name))
        seam = _seam(name)
        if seam is not None:
            query = of_what_came(seam, {name: query}.__getitem__)
        found[f"{LIVE}.{name}"] = _helper(views[name], f"{LIVE}.{name}", query)
        if name in _WHOLE:
            found[name] = replace(views[name], query=f"select * from {LIVE}.{name}")
        if name in _UNITED:
            columns = ", ".join(views[name].columns)
            query = f"select {columns} from {FOLDED}.{name}\nunion all\nselect {columns} from {LIVE}.{name}"
            found[name] = replace(views[name], query=query)
    for name in ("image_builder_tag_sightings", "image_builder_tags", "platforms_seen"):
        like = views["image_builder_sightings"]
        found[f"{LIVE}.{name}"] = _helper(like, f"{LIVE}.{name}", query_of("live", name))
    for name, sources in _readers(has_times).items():
        found[name] = replace(views[name], query=renamed(views[name].query, sources))
    return found


def _readers(has_times: bool) -> dict[str, dict[str, str]]:
    """The views that read what is not kept whole, and what they read in its place."""
    tags = {
        "image_builder_tags_told": f"{LIVE}.image_builder_tags_told",
        "raw.image_builder_tags": f"{LIVE}.image_builder_tags",
    }
    found = {
        "image_builder_owner_history": tags,
        "findings": tags,
        "platforms": {f"raw.{IMAGE_BUILDERS.name}": f"{LIVE}.platforms_seen"},
    }
    if has_times:
        found["finding_facts"] = {"image_builder_conditions": f"{LIVE}.image_builder_conditions"}
    return found


def _seam(name: str) -> str | None:
    return _history_seam() if name == "image_builder_history" else _fold_sql("live", name)


def _of_beginning() -> tuple[str, ...]:
    """The columns that tell how a version was seen first."""
    # What is compared is the same at its end; when it was observed is valid_from.
    others = {c.name for c in IMAGE_BUILDERS.attributes} | {"account_id", "region", "arn", "name", "observed_at"}
    return (
        *(c.name for c in IMAGE_BUILDERS.columns if c.name not in others),
        HIVE_KEY,
        "valid_from",
        "changed_after",
        "began",
    )


def _history_seam() -> str:
    """The version that was the last one goes on: it is told as it was seen first."""
    begun = ",\n        ".join(
        f"case when before.last_seen_at = now.valid_from then before.{name} else now.{name} end as {name}"
        for name in _of_beginning()
    )
    return f"""select
    now.* replace (
        {begun},
        case when before.last_seen_at = now.valid_from then before.valid_from else now.observed_at end as observed_at,
        now.version + coalesce(before.version - 1, 0) as version
    )
from since.image_builder_history as now
left join {FOLDED}.{open_name("image_builder_history")} as before
    on now.arn = before.arn"""


_NOT_KEPT = tuple(
    f"{LIVE}.{name}"
    for name in (EXTRACTS.name, IMAGE_BUILDERS.name, "image_builder_comparisons", "image_builder_tag_sightings")
)
"""The live views that are wide and read once or twice."""


def kept(views: Iterable[str]) -> frozenset[str]:
    """Of views, those to make tables of: what is live is little, read by many, and DuckDB takes longer to plan all of
    it at once than to compute one after another.
    """
    return frozenset(name for name in views if name.startswith(f"{LIVE}.") and name not in _NOT_KEPT)


def _live_names(of: str) -> dict[str, str]:
    """What a view reads of what is live, in place of other views."""
    names = {name: f"{LIVE}.{name}" for name in COMPUTED}
    if of == "image_builder_changes":
        names["image_builder_sightings"] = f"{LIVE}.image_builder_tag_sightings"
    return names


def _computed_query(view: View, names: Mapping[str, str]) -> str:
    if view.name == EXTRACTS.name:
        return committed_extracts(UNFOLDED[view.name])
    if view.name == IMAGE_BUILDERS.name:
        return committed_rows(IMAGE_BUILDERS, UNFOLDED)
    raw = {f"raw.{table.name}": f"raw.{UNFOLDED[table.name]}" for table in (EXTRACTS, *DATA_TABLES)}
    query = renamed(view.query, {**names, **raw})
    # No filter reaches what is kept, and to sort by one text is quicker than by four.
    return query.replace("partition by account_id, region, arn, name", "partition by arn")


def _helper(like: View, name: str, query: str) -> View:
    return View(name, "internal", like.purpose, like.grain, dict(like.columns), query, is_helper=True)
