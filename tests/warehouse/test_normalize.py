"""Pages to tables and back: nothing is lost on the way."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import contract
from pipeline.contract import CHILDREN, IMAGE_BUILDERS, TABLES
from pipeline.extract import looked, pages
from pipeline.warehouse.normalize import normalize
from tests.support import NOON, builder, target

Tables = dict[str, pa.Table]


def tables_of(*builders: dict[str, Any]) -> Tables:
    body = json.dumps({"ImageBuilders": builders}).encode()
    return normalize(looked([(target(), pages.read_page(body), NOON, None)]), "snapshot")


def test_a_builder_becomes_a_row_and_its_lists_rows_of_their_own() -> None:
    tables = tables_of(
        builder("bare"),
        builder(
            "full",
            CreatedTime=1763890000.123456,
            VpcConfig={"SubnetIds": ["subnet-b", "subnet-a"], "SecurityGroupIds": []},
            ImageBuilderErrors=[{"ErrorCode": "E", "ErrorTimestamp": 1.5}],
        ),
    )
    own = {"snapshot_id": "snapshot", "account_id": "123456789012", "region": "us-east-1", "arn": target().arn("full")}
    assert tables["image_builder_subnets"].to_pylist() == [
        own | {"position": 0, "subnet_id": "subnet-b"},
        own | {"position": 1, "subnet_id": "subnet-a"},
    ]
    assert tables["image_builder_errors"].to_pylist() == [
        own
        | {
            "position": 0,
            "error_code": "E",
            "error_message": None,
            "error_timestamp": datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC),
        }
    ]
    assert tables["image_builder_security_groups"].num_rows == 0
    bare, full = tables["image_builders"].to_pylist()
    assert {k: v for k, v in bare.items() if v is not None} == own | {
        "arn": target().arn("bare"),
        "name": "bare",
        "state": "RUNNING",
        "observed_at": NOON,
    }
    assert full["created_time"] == datetime(2025, 11, 23, 9, 26, 40, 123_456, UTC)


def test_missing_null_and_empty_lists_make_no_rows_and_a_null_inside_keeps_its_place() -> None:
    tables = tables_of(
        builder("missing"),
        builder("null", VpcConfig=None, AccessEndpoints=None),
        builder("null inside", VpcConfig={"SubnetIds": None}),
        builder("empty", VpcConfig={"SubnetIds": []}, AccessEndpoints=[]),
        builder("holes", VpcConfig={"SubnetIds": [None, "subnet-1"]}),
    )
    assert [(r["position"], r["subnet_id"]) for r in tables["image_builder_subnets"].to_pylist()] == [
        (0, None),
        (1, "subnet-1"),
    ]
    assert tables["image_builder_access_endpoints"].num_rows == 0


def test_no_builders_are_tables_with_their_full_schema() -> None:
    tables = tables_of()
    for table in (IMAGE_BUILDERS, *CHILDREN):
        assert tables[table.name].schema.equals(table.schema, check_metadata=True)
        assert tables[table.name].num_rows == 0


def test_an_arn_that_is_left_out_is_made_as_aws_makes_it() -> None:
    tables = tables_of({"Name": "a", "VpcConfig": {"SubnetIds": ["s"]}}, builder("b"))
    expected = "arn:aws:appstream:us-east-1:123456789012:image-builder/a"
    assert tables["image_builders"]["arn"].to_pylist() == [expected, target().arn("b")]
    assert tables["image_builder_subnets"]["arn"].to_pylist() == [expected]


def test_the_schema_of_every_table_is_the_contracts() -> None:
    tables = tables_of(builder("b", VpcConfig={"SubnetIds": ["s"]}))
    assert {name: t.schema for name, t in tables.items()} == {t.name: t.schema for t in TABLES[:-1]}


# Any page: every member of the model or none of it, unknown ones beside them at every depth.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
unknown_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
unknown_names = texts.map(lambda text: f"New{text}")
moments = st.integers(-62_135_596_800_000_000, 253_402_300_799_000_000).map(lambda us: us / 1e6)


def members(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_struct(kind):
        known = st.fixed_dictionaries({}, optional={f.name: st.none() | members(f.type) for f in kind})
        unknown = st.dictionaries(unknown_names, unknown_values, max_size=1)
        return st.builds(lambda a, b: a | b, known, unknown)
    if pa.types.is_list(kind):
        return st.lists(members(kind.value_type), max_size=3)
    return {
        pa.string(): texts,
        pa.bool_(): st.booleans(),
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.float64(): moments,
    }[kind]


@st.composite
def any_page(draw: st.DrawFn) -> list[dict[str, Any]]:
    builders = draw(st.lists(members(contract.BUILDER), max_size=4))
    return [b | builder(f"b{i}") for i, b in enumerate(builders)]


@given(any_page())
@example([builder("b", VpcConfig={"New": {}}, ImageBuilderErrors=[{"New": None}, {}])])
def test_joining_the_tables_back_gives_the_page_again(page: list[dict[str, Any]]) -> None:
    assert joined(tables_of(*page)) == [pruned(b) for b in page]


def joined(tables: Tables) -> list[dict[str, Any]]:
    """The image builders of a snapshot as the API told them, but for nulls and empty lists and objects."""
    builders = {}
    for row in tables["image_builders"].to_pylist():
        nested: dict[str, Any] = {}
        for column in IMAGE_BUILDERS.api_columns:
            put(nested, column.source or "", plain(row[column.name]))
        builders[row["arn"]] = nested
    for table in CHILDREN:
        for row in tables[table.name].to_pylist():
            place = builders[row["arn"]]
            for column in table.api_columns:
                path = (column.source or "").replace("[]", f".{row['position']}")
                put(place, path, plain(row[column.name]), keep_null=True)
    for row in tables["image_builders"].to_pylist():
        merge(builders[row["arn"]], json.loads(row["extra"] or "{}"))
    return [pruned(lists(b, contract.BUILDER)) for b in builders.values()]


def put(place: dict[str, Any], path: str, value: Any, keep_null: bool = False) -> None:
    *steps, last = path.split(".")
    if value is not None or keep_null:
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = value


def merge(into: dict[str, Any], extra: dict[str, Any]) -> None:
    for name, value in extra.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = value


def lists(value: Any, kind: pa.DataType) -> Any:
    """Lists again, where there are objects keyed by position."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [lists(value[k], kind.value_type) for k in sorted(value, key=int)]
    if pa.types.is_struct(kind):
        names = {f.name: f.type for f in kind}
        return {k: lists(v, names[k]) if k in names else v for k, v in value.items()}
    return value


def pruned(value: Any, kind: pa.DataType = contract.BUILDER) -> Any:
    """Without what no table tells apart: null, missing and empty; what is unknown stays as it is."""
    if pa.types.is_struct(kind) and isinstance(value, dict):
        names = {f.name: f.type for f in kind}
        parts = {k: pruned(v, names[k]) if k in names else v for k, v in value.items()}
        return {k: v for k, v in parts.items() if k not in names or v not in (None, [], {})}
    if pa.types.is_list(kind) and isinstance(value, list):
        return [pruned(v, kind.value_type) or None if pa.types.is_struct(kind.value_type) else v for v in value]
    return round(value, 6) if isinstance(value, float) else value


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return round((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds(), 6)
    return value
