"""Views that are derived from the contract, so that no file of sql/ has to name every column or every table.

The committed tables under their own names, the children's `_current`, and helpers that compare the attributes and the
lists of image builders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pipeline import contract
from pipeline.contract import CHILDREN, DATA_TABLES, EXTRACTS, HIVE_KEY, IMAGE_BUILDERS, Column, Table
from pipeline.views.sql_files import require
from pipeline.views.view import View, columns_of
from pipeline.warehouse.scan import RECENT, committed_extracts, committed_rows

TABLES_GROUP = "tables"
"""The group of the committed tables, which are no views to Dagster but assets of their own."""

_HELPERS = "internal"


def committed_tables() -> Iterator[View]:
    """The rows of committed snapshots, under the tables' own names."""
    for table in (EXTRACTS, *DATA_TABLES):
        query = committed_extracts() if table is EXTRACTS else committed_rows(table)
        yield View(table.name, TABLES_GROUP, table.grain, table.grain, columns_of(table), query, table.key)


def current_children() -> Iterator[View]:
    """The child tables' `_current`: the child rows of the image builders of `image_builders_current`."""
    for table in CHILDREN:
        query = (
            f"select c.*\nfrom image_builders_current as b\njoin raw.{RECENT[table.name]} as c\n"
            f"    on c.{HIVE_KEY} = b.{HIVE_KEY} and c.snapshot_id = b.snapshot_id and c.arn = b.arn"
        )
        purpose = f"The rows of {table.name} that hold now."
        grain = table.grain.replace(" per snapshot", " as last seen")
        yield View(f"{table.name}_current", "current", purpose, grain, columns_of(table), query, ("arn", "position"))


def helpers(files: Mapping[str, View]) -> Iterator[View]:
    """What other views read, and people need not see. `files` are the views of sql/, by name."""
    recent = RECENT[EXTRACTS.name]
    yield View(
        recent,
        _HELPERS,
        "The rows of extracts that image_builders_current still depends on: all where there is no checkpoint, else "
        "those of the checkpoint and of the days after it.",
        "one row per target per snapshot that still matters.",
        columns_of(EXTRACTS),
        committed_extracts(recent),
        is_helper=True,
    )
    looks = files["looks"]
    source = f"from {EXTRACTS.name}\n"
    require(
        looks.query.count(source) == 3,
        "sql/internal/looks.sql",
        "it does not read extracts three times, as recent_looks does",
    )
    yield replace(
        looks,
        name="recent_looks",
        purpose="The view looks, of recent_extracts only.",
        query=looks.query.replace(source, f"from {recent}\n"),
        is_helper=True,
    )
    yield _comparisons(files["image_builder_sightings"])
    yield _versions()
    yield _attributes()
    yield _elements()


def _comparisons(sightings: View) -> View:
    """The comparisons with the previous and the next sighting share one window, so that DuckDB sorts once."""
    changed = "\n        or ".join(
        f"{c.name} is distinct from lag({c.name}) over builder" for c in IMAGE_BUILDERS.attributes
    )
    return View(
        "image_builder_comparisons",
        _HELPERS,
        "The sightings of each image builder, compared with the one before and after.",
        sightings.grain,
        sightings.columns
        | {
            "previous_seen_at": "when the image builder was seen before",
            "previous_next_complete_at": "when the first complete look after that ended",
            "is_first": "whether it was never seen before",
            "is_last": "whether it was not seen since",
            "is_back": "whether a complete look between this sighting and the one before did not see it",
            "is_same": "whether its created_time is that of the sighting before",
            "is_recreated": "whether its created_time is another one than at the sighting before",
            "is_changed": "whether its created_time or an attribute is another than at the sighting before",
        },
        f"""select
    *,
    lag(observed_at) over builder as previous_seen_at,
    lag(next_complete_at) over builder as previous_next_complete_at,
    lag(arn) over builder is null as is_first,
    lead(arn) over builder is null as is_last,
    coalesce(completes_before > lag(complete_no) over builder, false) as is_back,
    coalesce(created_time = lag(created_time) over builder, false) as is_same,
    coalesce(created_time <> lag(created_time) over builder, false) as is_recreated,
    created_time is distinct from lag(created_time) over builder
        or {changed} as is_changed
from image_builder_sightings
window builder as (
    partition by account_id, region, arn, name
    order by observed_at
)""",
        is_helper=True,
    )


def _versions() -> View:
    """Holds the attributes as a list, so that SQL can index them instead of naming each."""
    values = ",\n        ".join(_as_text("", column) for column in IMAGE_BUILDERS.attributes)
    described = {
        "account_id": "the AWS account",
        "region": "the AWS region",
        "arn": "the image builder",
        "name": "its name",
        "valid_from": "as in image_builder_history",
        "valid_to": "as there",
        "changed_after": "as there",
        "last_seen_at": "as there",
        "began": "as there",
        "ended": "as there",
    }
    columns = ",\n    ".join(described)
    return View(
        "image_builder_versions",
        _HELPERS,
        "The versions of image_builder_history, with their attributes as a list of texts.",
        "one row per image builder and version of its attributes.",
        described | {"attributes": "the values, as text, in the order of image_builder_attributes"},
        f"select\n    {columns},\n    [\n        {values}\n    ] as attributes\nfrom image_builder_history",
        is_helper=True,
    )


def _attributes() -> View:
    rows = ",\n        ".join(f"({n}, '{column.name}')" for n, column in enumerate(IMAGE_BUILDERS.attributes, 1))
    return View(
        "image_builder_attributes",
        _HELPERS,
        "The attributes of image builders that history and changes compare.",
        "one row per attribute.",
        {"position": "its position in lists of attributes, from 1", "field": "the column of image_builders"},
        f"select\n    position,\n    field\nfrom (\n    values\n        {rows}\n) as attributes (position, field)",
        is_helper=True,
    )


def _elements() -> View:
    query = "\nunion all\n".join(
        f"""select
    '{table.list_name}' as field,
    account_id,
    region,
    arn,
    snapshot_id,
    {_element(table)} as element
from raw.{table.name}"""
        for table in CHILDREN
    )
    return View(
        "image_builder_elements",
        _HELPERS,
        "The elements of all lists of image builders, as text; also those of snapshots that were superseded.",
        "one row per element of a list of an image builder per snapshot.",
        {
            "field": "the list, as image_builder_changes calls it",
            "account_id": "the AWS account",
            "region": "the AWS region",
            "arn": "the image builder",
            "snapshot_id": "the snapshot",
            "element": "the element; null where AWS listed a null",
        },
        query,
        is_helper=True,
    )


def _element(table: Table) -> str:
    if len(table.attributes) == 1:
        return _as_text("", table.attributes[0])
    parts = [f"coalesce({_as_text('', column)}, '')" for column in table.attributes]
    separator = f", '{table.separator}', "
    return f"concat({separator.join(parts)})"


def _as_text(prefix: str, column: Column) -> str:
    name = f"{prefix}{column.name}"
    return name if column.type == contract.TEXT else f"cast({name} as varchar)"
