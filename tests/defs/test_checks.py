"""What the asset checks ask, of windows that are known."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import views
from pipeline.sandbox.server import ACCOUNT
from pipeline.views.sql_files import sql_query
from pipeline.warehouse import Warehouse
from tests.support import NOON, replay
from tests.support.replay import Look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("asked_of", [None, f"{NOON:%Y-%m-%d} 00:00:00+00"])
def test_a_region_that_a_later_run_of_the_window_left_out_is_not_missed(asked_of: str | None, tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path), grace=0.0)
    replay.replay(home, NOON - DAY, {"us-east-1": Look(None)})
    replay.replay(home, NOON, {"us-east-1": Look([]), "eu-west-1": Look(None), "eu-central-1": Look(None)})
    replay.replay(home, NOON + HOUR, {"us-east-1": Look([]), "eu-west-1": Look(None)})
    asked = views.query(home, sql_query("checks", "not_seen"), parameters={"window_start": asked_of})
    assert [tuple(row.values()) for row in asked.to_pylist()] == [
        (f"{ACCOUNT}/eu-west-1", "denied", "AccessDeniedException", None)
    ]
