"""The Delta log over the committed files, read back by deltalake and by pandas: equal rows, no copy, and only what is
new is written.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyarrow import fs

from pipeline.contract import TABLES
from pipeline.errors import NoSnapshotError
from pipeline.warehouse import Warehouse, tend
from pipeline.warehouse.delta import FOLDER, _options, export_delta
from tests.support import NOON, StartSandbox, builder, oracle
from tests.support.command import image_builders_process
from tests.support.replay import Look, replay
from tests.support.store import BUCKET, make_bucket

DAY = timedelta(days=1)


def look(home: Warehouse, day: int, state: str = "RUNNING") -> None:
    seen = [builder("a", State=state, CreatedTime=1.0, VpcConfig={"SubnetIds": ["s1", "s2"]}), builder("b")]
    replay(home, NOON + day * DAY, {"us-east-1": Look(seen)})


def read(home: Warehouse, table: str) -> list[dict[str, Any]]:
    log = DeltaTable(f"{home.location}/{FOLDER}/{table}")
    answer = QueryBuilder().register("told", log).execute("select * from told").read_all()
    rows: list[dict[str, Any]] = pa.table(answer).to_pylist()
    return rows


def told(rows: list[dict[str, Any]]) -> list[str]:
    plain = ({k: v for k, v in row.items() if v is not None and k != "snapshot_date"} for row in rows)
    return sorted(repr(sorted(row.items())) for row in plain)


def committed(home: Warehouse, table: str) -> list[str]:
    rows = oracle.committed(home.location)[table]
    return sorted(repr(sorted(row)) for row in rows)


def test_each_table_is_read_back_as_it_is_committed_and_only_what_is_new_is_written(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    with pytest.raises(NoSnapshotError):
        export_delta(home)
    for day in range(3):
        look(home, day)
    done = export_delta(home)
    assert {(e.version, e.added, e.removed) for e in done} == {(0, 3, 0)}
    assert {e.table for e in done} == {t.name for t in TABLES}
    assert {(e.version, e.added, e.removed) for e in export_delta(home)} == {(0, 0, 0)}
    look(home, 3)
    assert {(e.version, e.added, e.removed) for e in export_delta(home)} == {(1, 1, 0)}
    look(home, 3, "STOPPED")  # The window is replaced.
    assert {(e.version, e.added, e.removed) for e in export_delta(home)} == {(2, 1, 1)}
    for table in ("image_builders", "image_builder_subnets", "extracts", "image_builder_errors"):
        assert told(read(home, table)) == committed(home, table), table
    tend(home, NOON + 20 * DAY)  # The month is joined.
    assert {(e.version, e.added, e.removed) for e in export_delta(home)} == {(3, 1, 4)}
    ids = {row["snapshot_id"][-6:] for row in read(home, "image_builders")}
    assert ids == {"-month"}
    assert len(read(home, "image_builders")) == 8
    paths = [path for path in home.storage.list() if path.startswith(FOLDER)]
    assert paths
    assert not [path for path in paths if path.endswith(".parquet")], "nothing is copied"


def test_pandas_reads_the_same_rows(tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    for day in range(3):
        look(home, day)
    export_delta(home)
    log = DeltaTable(f"{home.location}/{FOLDER}/image_builders")
    frame = log.to_pandas(filesystem=fs.LocalFileSystem())
    bare = pd.read_parquet(f"{home.location}/image_builders")
    columns = ["snapshot_id", "arn", "name", "state", "observed_at"]
    left, right = (f[columns].sort_values(columns[:2]).reset_index(drop=True) for f in (frame, bare))
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


READ = """
import sys
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pipeline.warehouse import Warehouse
from pipeline.warehouse.delta import _options
home = Warehouse(sys.argv[1])
log = DeltaTable(f"{home.location}/_delta/image_builders", storage_options=_options(home))
print(pa.table(QueryBuilder().register("told", log).execute("select * from told").read_all()).num_rows)
"""


@pytest.mark.slow
def test_in_a_bucket_too(start_sandbox: StartSandbox) -> None:
    """In processes of their own: deltalake holds Python while it waits for a server, which here is the same process."""
    make_bucket(start_sandbox())
    home = Warehouse(f"s3://{BUCKET}/w", grace=0.0)
    look(home, 0)
    command = ("export", "delta", "--format", "csv")
    done = image_builders_process(*command, IMAGE_BUILDERS_WAREHOUSE=home.location)
    assert f"image_builders,0,1,0,s3://{BUCKET}/w/_delta/image_builders" in done.stdout, done.stderr
    look(home, 1)
    done = image_builders_process(*command, IMAGE_BUILDERS_WAREHOUSE=home.location)
    assert f"image_builders,1,1,0,s3://{BUCKET}/w/_delta/image_builders" in done.stdout, done.stderr
    read_back = subprocess.run(
        [sys.executable, "-c", READ, home.location],
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert read_back.stdout.split() == ["4"]


def test_what_deltalake_is_told_of_a_place(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    make_bucket(start_sandbox())
    plain = _options(Warehouse(f"s3://{BUCKET}/w"))
    assert plain.keys() >= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
    assert (plain["AWS_ALLOW_HTTP"], plain["AWS_CONDITIONAL_PUT"]) == ("true", "etag")
    encrypted = _options(Warehouse(f"s3://{BUCKET}/w", kms_key="alias/lake"))
    # Of a bucket whose policy demands it, a log would be refused without.
    own = {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": "alias/lake"}
    assert encrypted == plain | own
    assert _options(Warehouse(str(tmp_path))) == {}
