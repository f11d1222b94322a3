"""Looks that are committed in any order, overlapping or not, into one window: the later observed counts."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import contract, views
from pipeline.extract import looked, pages
from pipeline.sandbox.server import ACCOUNT
from pipeline.targets import Target
from pipeline.warehouse import Extracted, Warehouse
from pipeline.windows import Window
from tests.support import NOON, Looker, builder, replay
from tests.support.replay import Look

MINUTE = timedelta(minutes=1)
NAMES = ("a", "b", "c")
TARGET = Target(ACCOUNT, "us-east-1", "aws")


@dataclass(frozen=True)
class Run:
    """A look from one minute to another: what it saw and at which minute; None where it failed."""

    start: float
    end: float
    seen: dict[str, float] | None
    complete: bool = True
    tags: str | None = None
    """Whether it told tags, and which: owner, for the minute at which it was seen, or none at all."""

    @property
    def at(self) -> datetime:
        return NOON + self.end * MINUTE


def publish(home: Warehouse, run: Run) -> dict[str, Any]:
    with home.stage("run") as (stream, sink):
        for name, minute in (run.seen or {}).items():
            # Its description says when it was seen.
            page = pages.read_page(json.dumps({"ImageBuilders": [builder(name, Description=str(minute))]}).encode())
            owned = [{"Key": "Owner", "Value": str(minute)}] if run.tags == "owner" else []
            tags = pa.array([owned], contract.TAG_LIST) if run.tags else None
            sink.write_batch(looked([(TARGET, page, NOON + minute * MINUTE, tags)]))
    row: dict[str, Any] = dict.fromkeys(c.name for c in contract.EXTRACTS.columns)
    row |= {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "status": "denied" if run.seen is None else "ok",
        "complete": run.seen is not None and run.complete,
        "started_at": NOON + run.start * MINUTE,
        "observed_at": run.at,
        "pages": 1,
        "builders": len(run.seen or ()),
        "duplicates": 0,
        "retries": 0,
        "tags_status": "ok" if run.tags and run.seen is not None else None,
        "botocore_version": "1",
        "contract_version": 1,
    }
    row.pop("snapshot_id")
    (published,) = home.publish(Window.at("daily", NOON), [Extracted([row], stream)], lambda: NOON).rows
    return published


def expected(runs: Sequence[Run]) -> dict[str, float]:
    """When each image builder that is there was seen last; a row that was gone at a commit is not brought back."""
    there: dict[str, float] = {}
    last: Run | None = None
    for run in runs:
        if run.seen is None:
            continue
        if run.complete and (last is None or run.end > last.end):
            last = run
        known = there | {n: max(there.get(n, minute), minute) for n, minute in run.seen.items()}
        there = {n: m for n, m in known.items() if last is None or n in (last.seen or {}) or m > last.end}
    return there


def looks() -> st.SearchStrategy[list[Run]]:
    """Runs of a window, no two of which have a moment in common."""

    def made(drawn: list[tuple[int, int, dict[str, float] | None, bool, str | None]]) -> list[Run]:
        runs = []
        for number, (start, length, seen, complete, tags) in enumerate(drawn):
            shift = number / 100
            at = {n: start + share * length + shift + NAMES.index(n) / 1000 for n, share in (seen or {}).items()}
            end = start + length + shift + 0.009
            runs.append(Run(start + shift - 0.001, end, at if seen is not None else None, complete, tags))
        return runs

    seen = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, st.sampled_from([0.0, 0.5, 1.0])))
    one = st.tuples(
        st.integers(0, 20),
        st.sampled_from([0, 4, 15]),
        st.one_of(st.none(), seen, seen),
        st.booleans(),
        st.sampled_from([None, "owner", "none"]),
    )
    return st.lists(one, min_size=1, max_size=5).map(made)


@settings(max_examples=min(40, settings().max_examples))
@given(runs=looks())
def test_the_later_observed_row_counts_whatever_is_committed_later(
    runs: list[Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Warehouse(str(tmp_path_factory.mktemp("merge")), grace=0.0)
    for run in runs:
        row = publish(home, run)
    found = home.read(contract.IMAGE_BUILDERS, row["snapshot_id"]).to_pylist()
    assert {r["name"]: float(r["description"]) for r in found} == expected(runs)
    assert row["builders"] == len(found)
    good = [run for run in runs if run.seen is not None]
    assert row["status"] == ("ok" if good else "denied")
    newest = max(runs, key=lambda run: run.end)
    assert max(filter(None, (row["observed_at"], row["later_observed_at"]))) == newest.at
    assert (row["later_status"] or row["status"]) == ("denied" if newest.seen is None else "ok")
    if good:
        success = max(good, key=lambda run: run.end)
        told = views.query(home, "select last_success_at, last_complete_at, last_look_at from coverage").to_pylist()[0]
        complete = max((run.at for run in good if run.complete), default=None)
        assert told == {"last_success_at": success.at, "last_complete_at": complete, "last_look_at": newest.at}


@settings(max_examples=min(40, settings().max_examples))
@given(runs=looks())
def test_the_owner_is_that_of_the_last_look_that_told_the_tags(
    runs: list[Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Looks that do not overlap, for of two that do the tags of a row that lost are not kept."""
    home = Warehouse(str(tmp_path_factory.mktemp("tags")), grace=0.0)
    runs = [
        Run(40 * n + r.start, 40 * n + r.end, r.seen and {k: 40 * n + v for k, v in r.seen.items()}, r.complete, r.tags)
        for n, r in enumerate(runs)
    ]
    for run in runs:
        row = publish(home, run)
    owners: dict[str, float | None] = {}
    for run in runs:
        if run.seen is not None and run.complete:
            owners = {name: minute for name, minute in owners.items() if name in run.seen}
        if run.tags:
            owners |= {name: minute if run.tags == "owner" else None for name, minute in (run.seen or {}).items()}
    there = {r["name"] for r in home.read(contract.IMAGE_BUILDERS, row["snapshot_id"]).to_pylist()}
    told = views.query(home, "select split_part(arn, '/', 2) as name, owner from image_builder_owners").to_pylist()
    expected_owners = {n: m for n, m in owners.items() if n in there and m is not None}
    assert {r["name"]: float(r["owner"]) for r in told if r["name"] in there} == expected_owners


def test_a_rerun_by_hand_leaves_the_configuration_as_it_was(looker: Callable[..., Looker]) -> None:
    """A look at some regions says nothing of what the job is to look at, whether it names them or not."""
    look = looker(us_east_1=[builder("a")], us_west_2=[builder("w", "us-west-2")])
    whole = {"us-east-1": Look([builder("a")]), "eu-west-1": Look([builder("b", "eu-west-1")])}
    replay.replay(look.warehouse, NOON, whole)
    look.sandbox.clock.advance(60 * MINUTE)
    look.publish("us-east-1", "us-west-2")
    sql = "select region, is_configured, configured_at from extracts order by region"
    assert [tuple(row.values()) for row in views.query(look.warehouse, sql).to_pylist()] == [
        ("eu-west-1", True, NOON),
        ("us-east-1", True, NOON),
        ("us-west-2", None, NOON),
    ]

    def there() -> tuple[list[str], dict[str, bool]]:
        """Who is there, and which regions the job is to look at, those looked at by hand since among them."""
        names = views.query(look.warehouse, "select name from image_builders_current order by name")
        told = views.query(look.warehouse, "select region, is_configured from coverage").to_pylist()
        return names["name"].to_pylist(), {row["region"]: row["is_configured"] for row in told}

    assert there() == (["a", "b", "w"], {"us-east-1": True, "eu-west-1": True, "us-west-2": True})
    replay.replay(look.warehouse, NOON + 24 * 60 * MINUTE, whole)
    assert there() == (["a", "b"], {"us-east-1": True, "eu-west-1": True, "us-west-2": False})
