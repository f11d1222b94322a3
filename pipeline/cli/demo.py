"""The whole job on the sandbox: a week of windows over real HTTP, then the questions people ask, and answers.

The sandbox's clock goes through the week, and the pipeline's goes with it, so every window is open when it is
looked at.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.cli import printing
from pipeline.definitions import build_definitions
from pipeline.defs.resources import ClockResource, WarehouseResource
from pipeline.defs.runs import run, run_prices
from pipeline.errors import ConfigurationError
from pipeline.sandbox.estate import SeededEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, CONTROL, Clock, Sandbox
from pipeline.views import database as views
from pipeline.views import questions
from pipeline.warehouse.warehouse import Warehouse
from pipeline.windows import Window

REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")
MARK = ".demo"
"""A file that says that a warehouse holds the demo's data, which may be thrown away."""

HOUR = 15
"""The hour of past days at which the demo looks, UTC: people are at work then."""

QUESTIONS = ("estate-today", "running-all-week", "cost-by-owner", "findings-by-rule", "not-seen")
"""The saved questions that the demo asks."""


class SandboxClock(ClockResource):
    """The time that a sandbox tells."""

    url: str

    def now(self) -> datetime:
        with urllib.request.urlopen(self.url + CONTROL) as reply:
            return datetime.fromisoformat(json.load(reply)["now"])


def run_demo(location: str, days: int, tell: Callable[[str], None]) -> None:
    """Fills the warehouse at `location` with `days` daily snapshots, today's the last, and asks it questions.

    Raises ConfigurationError when the warehouse holds anything but an earlier demo.
    """
    started = time.monotonic()
    warehouse = fill(location, days, datetime.now(UTC), tell)
    tell(f"\nDone in {time.monotonic() - started:.0f} s. Questions, in SQL:")
    saved = questions.questions({"IMAGE_BUILDERS_QUESTIONS": ""})
    for name in QUESTIONS:
        asked = saved[name]
        answer = printing.as_text(views.query(warehouse, asked.query))
        tell(f"\n{asked.text}\n\n{_indented(asked.query)}\n\n{_indented(answer)}")
    tell(
        f"\nMore questions:  {_command()} query --list\n"
        f'Ask your own:    {_command()} query "from image_builders_current"\n'
        f"Look at it:      {location}/report.html\n"
        f"Or open it:      duckdb {location}/{views.DATABASE}\n"
        f'Or load it:      pandas.read_parquet("{location}/image_builders")'
    )


def fill(location: str, days: int, now: datetime, tell: Callable[[str], None]) -> Warehouse:
    """Fills the warehouse with `days` daily snapshots of the sandbox, the last of `now`, with prices and tags."""
    _make_room(location)
    clock = Clock()
    with Sandbox(SeededEstate(now - timedelta(days=days)), clock) as sandbox:
        sandbox.take_over(os.environ)
        definitions = build_definitions(
            {"IMAGE_BUILDERS_CADENCE": "daily"},
            clock=SandboxClock(url=sandbox.url),
            warehouse=WarehouseResource(location=location),
        )
        os.environ["IMAGE_BUILDERS_TAGS"] = "on"
        clock.set(now - timedelta(days=days))
        run_prices(definitions, location)
        tell(f"An AWS on loopback at {sandbox.url}, a warehouse in {location}/, {days} daily windows:\n")
        for day in range(days - 1, -1, -1):
            then = (now - timedelta(days=day)).replace(hour=HOUR, minute=0, second=0, microsecond=0)
            clock.set(now if day == 0 else then)
            sandbox.appstream.faults[:] = _faults(day)
            key = Window.at("daily", clock.now()).key
            # What lies over the tables tells of all days: the last one's run makes it.
            outcome = run(definitions, key, {"regions": list(REGIONS)}, location, only_tables=day > 0)
            warehouse = Warehouse(location)
            told = views.query(warehouse, f"from snapshots where snapshot_id = '{outcome.snapshot_id}'").to_pylist()[0]
            note = (
                f", {told['retries']} call{'s' if told['retries'] > 1 else ''} tried again" if told["retries"] else ""
            )
            tell(
                f"  {key}  {told['targets_seen']} of {told['targets']} targets seen, {told['builders']} builders{note}"
            )
    return warehouse


def _faults(day: int) -> list[Fault]:
    """What goes wrong that day: two days out of seven have their troubles, as weeks do."""
    if day == 3:
        return [Fault("deny", region="eu-west-1")]
    if day == 1:
        return [Fault("short", region="us-east-1", times=1)]
    return []


def _make_room(location: str) -> None:
    if "://" in location:
        raise ConfigurationError(f"The demo needs a local folder, and IMAGE_BUILDERS_WAREHOUSE is {location}.")
    warehouse = Warehouse(location)
    warehouse.storage.check()
    if warehouse.snapshots():
        accounts = views.query(warehouse, "select distinct account_id from extracts")["account_id"].to_pylist()
        if accounts != [ACCOUNT] or not (Path(location) / MARK).exists():
            raise ConfigurationError(
                f"The warehouse {location} holds snapshots that are not the demo's: set IMAGE_BUILDERS_WAREHOUSE to "
                "another folder."
            )
    warehouse.clear()
    (Path(location) / MARK).write_text(
        "The demo filled this warehouse, and fills it anew each time.\n", encoding="utf-8"
    )


def _command() -> str:
    """How this program was called, as short as it can be said from here."""
    called = Path(sys.argv[0])
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else called.name


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
