"""Odd days and odd clocks: a leap day, a year's end, daylight saving, one that steps back; and who may read files."""

import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import views
from pipeline.warehouse import Warehouse, tend
from pipeline.windows import Window
from tests.support import builder
from tests.support.replay import Look, replay


@pytest.fixture(params=["Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's own time zone, in which nothing is told."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "day",
    [
        datetime(2028, 2, 29, tzinfo=UTC),  # A leap day.
        datetime(2026, 12, 31, tzinfo=UTC),
        datetime(2026, 3, 29, tzinfo=UTC),  # Berlin's day of 23 hours, and below the one of 25.
        datetime(2026, 10, 25, tzinfo=UTC),
    ],
)
def test_every_hour_of_an_odd_day_is_a_window_once(day: datetime, zone: str, tmp_path: Path) -> None:
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    hours = [day - timedelta(hours=2) + timedelta(hours=n) for n in range(28)]
    for at in hours:
        window = Window.at("hourly", at + timedelta(minutes=30))
        assert Window.of_key("hourly", window.key) == window == Window(at, at + timedelta(hours=1), window.key)
    for at in hours[::4]:
        replay(home, at + timedelta(minutes=30), {"us-east-1": Look([builder("a")])}, "hourly")
        tend(home, at + timedelta(minutes=31))
    told = views.query(home, "select window_start from snapshots order by 1")["window_start"].to_pylist()
    assert told == hours[::4]
    days = views.query(home, "select distinct cast(snapshot_date as varchar) as d from extracts order by 1")[
        "d"
    ].to_pylist()
    assert days == sorted({f"{at:%Y-%m-%d}" for at in hours[::4]})
    (span,) = views.query(home, "from image_builder_spans").to_pylist()
    assert span["first_seen_at"] == hours[0] + timedelta(minutes=30)


def test_what_a_clock_that_steps_back_tells_does_not_pass_for_newer(tmp_path: Path) -> None:
    """Looks are ordered by their moments: nobody can tell which clock was right. Once it has caught up, all is well."""
    home = Warehouse(str(tmp_path / "w"), grace=0.0)
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def current(at: datetime, name: str) -> list[str]:
        replay(home, at, {"us-east-1": Look([builder(name)])})
        names: list[str] = views.query(home, "select name from image_builders_current")["name"].to_pylist()
        return names

    assert current(noon, "first") == ["first"]
    assert current(noon - timedelta(hours=3), "back") == ["first"]
    assert current(noon - timedelta(days=1), "yesterday") == ["first"]
    assert current(noon + timedelta(hours=1), "again") == ["again"]
    assert len(home.snapshots()) == 2


@pytest.mark.parametrize(("umask", "others"), [(0o077, 0), (0o027, 0o050), (0o022, 0o055)])
def test_files_are_no_wider_than_the_umask(umask: int, others: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        home = Warehouse(str(tmp_path / "w"), grace=0.0)
        replay(home, datetime(2026, 11, 23, 12, tzinfo=UTC), {"us-east-1": Look([builder("a")])})
        views.build(home)
    finally:
        os.umask(before)
    found = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "w").rglob("*")}
    assert all(mode | others == others for mode in found), [oct(mode) for mode in found]
