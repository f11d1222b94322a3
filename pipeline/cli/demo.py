"""The demo: the whole job on the sandbox, a week of windows over real HTTP, then questions and answers.

The sandbox's clock steps through the week and the pipeline's clock follows it, so that every window is open when it is
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

from pipeline import views
from pipeline.cli import printing
from pipeline.cli.demo_estate import MARK, DemoEstate
from pipeline.cli.progress import waiting
from pipeline.definitions import build_definitions
from pipeline.defs.process import working_directory
from pipeline.defs.resources import ClockResource, WarehouseResource
from pipeline.defs.runs import run, run_prices
from pipeline.errors import ConfigurationError, counted
from pipeline.report import FILE as REPORT
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, CONTROL, Clock, Sandbox
from pipeline.settings import Environment
from pipeline.views.database import DATABASE
from pipeline.views.questions import questions
from pipeline.views.sql_files import sql_query
from pipeline.warehouse import Warehouse
from pipeline.windows import Window

HOUR = 15
"""The UTC hour of past days at which the demo looks: people are at work then."""

QUESTIONS = ("estate-today", "running-all-week", "cost-by-owner", "findings-by-rule", "not-seen")
"""The saved questions that the demo asks."""


class SandboxClock(ClockResource):
    """The sandbox's time."""

    url: str

    def now(self) -> datetime:
        with urllib.request.urlopen(self.url + CONTROL) as reply:
            return datetime.fromisoformat(json.load(reply)["now"])


def run_demo(environment: Environment, days: int, echo: Callable[[str], None]) -> None:
    """Fills the warehouse with `days` daily snapshots, today's the last, and asks it questions.

    Raises ConfigurationError when the warehouse holds anything but an earlier demo.
    """
    started = time.monotonic()
    warehouse, settings = fill(environment, days, datetime.now(UTC), echo), views.Settings.read(environment)
    echo(f"\nDone in {time.monotonic() - started:.0f} s. Questions, in SQL:")
    saved = questions()
    for name in QUESTIONS:
        asked = saved[name]
        with waiting("Asking"):
            answer = printing.fitted(
                views.query(warehouse, asked.query, settings), printing.NULL, f"query @{name} --wide shows all", 4
            )
        echo(f"\n{asked.text}\n\n{_indented(asked.query)}\n\n{_indented(answer)}")
    place = _as_short_as_possible(Path(environment.warehouse))
    command = _as_short_as_possible(Path(sys.argv[0]).absolute(), otherwise=Path(sys.argv[0]).name)
    echo(
        f"\nMore questions:  {command} query --list\n"
        f'Ask your own:    {command} query "from image_builders_current"\n'
        f"Look at it:      {place}/{REPORT}\n"
        f"Or open it:      {command} open, or duckdb {place}/{DATABASE}\n"
        f'Or load it:      pandas.read_parquet("{place}/image_builders")'
    )


def fill(
    environment: Environment, days: int, now: datetime, echo: Callable[[str], None] = lambda line: None
) -> Warehouse:
    """Fills the warehouse with `days` daily snapshots of the sandbox, the last at `now`, with prices and tags.

    The user's rules and prices hold; targets, cadence and executor are the demo's own.
    """
    location = environment.warehouse
    _clear(location)
    estate = DemoEstate(now - timedelta(days=days))
    own = {
        "targets": estate.keep(location),
        "tags": True,
        "cadence": "daily",
        "executor": "in_process",
        "executor_config": None,
        "shards": 1,
    }
    environment = environment.model_copy(update=own)
    clock = Clock()
    with Sandbox(estate.served, clock) as sandbox:
        sandbox.take_over(os.environ)
        # Nobody reads beside the demo: superseded files need not stay for a while.
        resource = WarehouseResource(location=location, grace=0.0)
        clock.set(now - timedelta(days=days))
        definitions = build_definitions(environment, clock=SandboxClock(url=sandbox.url), warehouse=resource)
        run_prices(definitions, environment)
        place = _as_short_as_possible(Path(location))
        echo(f"An AWS on loopback at {sandbox.url}, a warehouse in {place}/, {days} daily windows:\n")
        for day in range(days - 1, -1, -1):
            then = (now - timedelta(days=day)).replace(hour=HOUR, minute=0, second=0, microsecond=0)
            clock.set(now if day == 0 else then)
            sandbox.appstream.faults[:] = _faults(day)
            key = Window.at("daily", clock.now()).key
            # The views, their checks and the report cover all days, so only the last run makes them.
            with waiting(f"{key}: {'a snapshot' if day else 'a snapshot, all views, their checks and the report'}"):
                outcome = run(definitions, environment, key, {}, only_tables=day > 0)
            echo(f"  {key}  {_summary(Warehouse(location), outcome.snapshot_id)}")
    return Warehouse(location)


def _summary(warehouse: Warehouse, snapshot_id: str) -> str:
    answer = views.query(warehouse, sql_query("cli", "demo"), parameters={"snapshot_id": snapshot_id})
    (row,) = answer.to_pylist()
    retries = f", {counted(row['retries'], 'call')} tried again" if row["retries"] else ""
    return f"{row['targets_seen']} of {row['targets']} targets seen, {row['builders']} builders{retries}"


def _faults(day: int) -> list[Fault]:
    """What goes wrong on a day: something does on two days of the week."""
    if day == 3:
        return [Fault("deny", region="eu-west-1")]
    if day == 1:
        return [Fault("short", region="us-east-1", times=1)]
    return []


def _clear(location: str) -> None:
    if "://" in location:
        raise ConfigurationError(f"The demo needs a local folder, and IMAGE_BUILDERS_WAREHOUSE is {location}.")
    warehouse = Warehouse(location)
    warehouse.check()
    if warehouse.snapshots():
        accounts = views.query(warehouse, "select distinct account_id from extracts")["account_id"].to_pylist()
        if accounts != [ACCOUNT] or not (Path(location) / MARK).exists():
            raise ConfigurationError(
                f"The warehouse {location} holds snapshots that are not the demo's: set IMAGE_BUILDERS_WAREHOUSE to "
                "another folder."
            )
    warehouse.clear()


def _as_short_as_possible(path: Path, otherwise: str | None = None) -> str:
    """A path relative to the working directory, where it is below; else `otherwise`, else the path itself."""
    here = working_directory()
    is_below = here is not None and path.is_relative_to(here)
    return str(path.relative_to(here)) if here and is_below else otherwise or str(path)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
