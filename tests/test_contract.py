"""The contract against the installed botocore's model, and against itself."""

import re

import pyarrow as pa
import pytest

from pipeline import contract
from pipeline.aws import service_model
from pipeline.contract import DATA_TABLES, TABLES, Column, Table

COLUMNS = [pytest.param(t, c, id=f"{t.name}.{c.name}") for t in TABLES for c in t.columns]
TYPES = {"string": contract.TEXT, "boolean": contract.FLAG, "integer": contract.COUNT, "timestamp": contract.MOMENT}


def test_every_member_that_botocore_knows_is_a_column() -> None:
    ours = {c.source: c.type for _, c in contract.api_columns()}
    theirs = {path: TYPES[kind] for path, kind in service_model.members().items()}
    assert ours == theirs


def test_a_member_more_in_the_model_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = service_model.members()
    monkeypatch.setattr(service_model, "members", lambda: known | {"Hibernation.Mode": "string"})
    with pytest.raises(AssertionError):
        test_every_member_that_botocore_knows_is_a_column()


def test_there_are_nine_tables_and_the_commit_is_the_last() -> None:
    assert [t.name for t in TABLES] == [
        "image_builders",
        "image_builder_subnets",
        "image_builder_security_groups",
        "image_builder_errors",
        "image_builder_access_endpoints",
        "image_builder_ipv6_addresses",
        "image_builder_agent_permissions",
        "image_builder_tags",
        "extracts",
    ]


def test_the_reader_has_the_22_members_of_an_image_builder() -> None:
    assert len(contract.BUILDER) == 22


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_column_is_described_in_a_sentence(table: Table, column: Column) -> None:
    assert re.fullmatch(r"[A-Z].+\.", column.description), f"{table.name}.{column.name}"
    assert table.schema.field(column.name).metadata[b"description"].decode() == column.description


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_columns_are_named_after_their_member(table: Table, column: Column) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
    # Elements of lists are named in the singular, booleans that AWS phrases oddly by is_.
    if column.source and not column.source.endswith("[]") and not column.name.startswith("is_"):
        member = column.source.rpartition(".")[2]
        assert column.name.endswith(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member).lower())


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_a_key_is_made_of_columns_that_are_never_null(table: Table) -> None:
    assert table.grain.startswith("One row per ")
    assert all(not table.column(name).nullable for name in table.key)
    assert not any(c.name == contract.HIVE_KEY for c in table.columns)


@pytest.mark.parametrize("table", DATA_TABLES, ids=lambda t: t.name)
def test_every_row_of_a_builder_carries_snapshot_account_region_and_arn(table: Table) -> None:
    assert {"snapshot_id", "account_id", "region", "arn"} <= set(table.schema.names)
    assert table.schema.field("account_id").type == pa.string()
