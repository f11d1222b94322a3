"""Warehouses of older and newer releases: one of 0.1.0 is read and goes on, one of a newer contract is refused; and a
file of views that was moved away from its warehouse does not answer from the old place.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import contract, views
from pipeline.errors import WarehouseError
from pipeline.views.database import DATABASE
from pipeline.warehouse import Warehouse, tend
from tests.support import NOON, StartSandbox, builder, oracle
from tests.support.command import failed, image_builders
from tests.support.replay import Look, replay
from tests.support.store import BUCKET, make_bucket

OLD = Path(__file__).with_name("release_0_1_0.zip")
"""Two days of looks every six hours, of which the first is joined, and three daily ones; written by release 0.1.0."""


@pytest.fixture(params=["folder", "bucket"])
def old(request: pytest.FixtureRequest, start_sandbox: StartSandbox, tmp_path: Path) -> Warehouse:
    location = str(tmp_path / "w")
    if request.param == "bucket":
        make_bucket(start_sandbox())
        location = f"s3://{BUCKET}/w"
    home = Warehouse(location, grace=0.0, patience=5.0)
    with zipfile.ZipFile(OLD) as archive:
        for path in archive.namelist():
            file = home.storage.create(path)
            file.sink.write(archive.read(path))
            file.commit()
    return home


def test_a_warehouse_of_release_0_1_0_is_read_and_goes_on(old: Warehouse) -> None:
    def told(sql: str) -> list[tuple[object, ...]]:
        return [tuple(row.values()) for row in views.query(old, sql).to_pylist()]

    current = [("abroad", "RUNNING"), ("stays", "RUNNING")]
    assert told("select name, state from image_builders_current order by name") == current
    assert told("select count(*) from image_builders") == [(22,)]
    assert told("select count(*) from image_builder_history") == [(8,)]
    assert len(old.snapshots()) == 11
    rows = oracle.committed(old.location)
    at = datetime(2026, 11, 7, 12, tzinfo=UTC)
    replay(old, at, {"us-east-1": Look([builder("new")]), "eu-west-1": Look(None)})
    tend(old, at)
    assert len(old.snapshots()) == 12
    tend(old, datetime(2026, 12, 7, tzinfo=UTC))
    tend(old, datetime(2026, 12, 7, tzinfo=UTC))
    after = oracle.committed(old.location)
    assert oracle.bare(old.location) == after
    for table, before in rows.items():
        assert set(map(repr, before)) <= set(map(repr, after[table])), table
    assert len(after["extracts"]) == len(rows["extracts"]) + 2
    assert told("select name from image_builders_current order by name") == [("abroad",), ("new",)]


def test_a_warehouse_of_a_newer_contract_is_refused(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    replay(home, NOON - timedelta(days=1), {"us-east-1": Look([builder("a")])})  # Of before the newer one was tried.
    replay(home, NOON, {"us-east-1": Look([builder("a")])})
    *_, path = sorted((tmp_path / "w" / "extracts").rglob("*.parquet"))
    rows = pq.read_table(path, partitioning=None)
    place = rows.schema.get_field_index("contract_version")
    newer = pa.array([contract.VERSION + 1] * rows.num_rows, rows.schema.field(place).type)
    pq.write_table(rows.set_column(place, rows.schema.field(place), newer), path)
    sentence = r"was written by a newer release \(contract \d+; this one knows \d+\)"
    for ask in (
        lambda: views.query(home, "from image_builders_current"),
        lambda: views.build(home),
        lambda: tend(home, NOON),
        home.check,
        lambda: replay(home, NOON, {"us-east-1": Look([builder("b")])}),
    ):
        with pytest.raises(WarehouseError, match=sentence):
            ask()
    failed(image_builders("query", "select 1", IMAGE_BUILDERS_WAREHOUSE=home.location), 1, sentence)


def test_a_commit_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    replay(home, NOON, {"us-east-1": Look([builder("a")])})
    (path,) = (tmp_path / "w" / "extracts").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WarehouseError, match=rf"is damaged: the commit extracts/.*{path.name} cannot be read"):
        views.query(home, "select 1")


SHELL = Path(sys.executable).with_name("duckdb")


@pytest.mark.parametrize("how", ["moved", "copied", "copied alone"])
def test_a_file_of_views_does_not_answer_from_the_place_where_it_was_made(how: str, tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    replay(home, NOON, {"us-east-1": Look([builder("a")])})
    views.build(home)
    question = "select count(*) from image_builders_current"
    (tmp_path / "link").symlink_to(tmp_path / "w")
    for here in (tmp_path / "w", tmp_path / "link"):
        with duckdb.connect(str(here / DATABASE), read_only=True) as connection:
            assert connection.sql(question).fetchall() == [(1,)]
    elsewhere = tmp_path / "elsewhere"
    if how == "copied alone":
        elsewhere.mkdir()
        shutil.copy(tmp_path / "w" / DATABASE, elsewhere / DATABASE)
    elif how == "copied":
        shutil.copytree(tmp_path / "w", elsewhere)
    else:
        shutil.move(tmp_path / "w", elsewhere)
        other = Warehouse(str(tmp_path / "w"), grace=0.0)  # Another warehouse lies now where this one was.
        replay(other, NOON, {"us-east-1": Look([builder("x"), builder("y")])})
    sentence = "was moved or copied away from there"
    with duckdb.connect(str(elsewhere / DATABASE), read_only=True) as connection:
        for view in ("image_builders_current", "image_builders", "coverage", "image_builder_history"):
            with pytest.raises(duckdb.Error, match=sentence):
                connection.sql(f"select count(*) from {view}").fetchall()
    done = subprocess.run(
        [SHELL, "-readonly", DATABASE, "-c", question], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert sentence in done.stderr
    if how != "copied alone":
        assert views.query(Warehouse(str(elsewhere)), question).num_rows == 1
        views.build(Warehouse(str(elsewhere)))
        with duckdb.connect(str(elsewhere / DATABASE), read_only=True) as connection:
            assert connection.sql(question).fetchall() == [(1,)]
