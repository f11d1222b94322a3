"""Histories that are known, replayed into a warehouse without AWS; and what they come to, worked out by plain loops."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline import contract
from pipeline.extract import looked, pages
from pipeline.sandbox.server import ACCOUNT
from pipeline.targets import Target
from pipeline.warehouse import Extracted, Warehouse
from pipeline.windows import Window

Builder = dict[str, Any]

_numbers = itertools.count()


@dataclass(frozen=True)
class Look:
    """A look at a region: what it saw, None where it failed; whether it was complete; the tags by name; whether the
    region was named by hand, whatever the configuration names.
    """

    builders: Sequence[Builder] | None
    complete: bool = True
    tags: Mapping[str, Mapping[str, str]] | None = None
    is_by_hand: bool = False


def replay(
    home: Warehouse, at: datetime, looks: Mapping[str, Look], cadence: str = "daily", window: Window | None = None
) -> None:
    """Publishes the looks at the regions, all of a moment, to its window, or to another one."""
    rows = []
    with home.stage(f"replay-{next(_numbers)}") as (stream, sink):
        for region, look in looks.items():
            target = Target(ACCOUNT, region, "aws")
            rows.append(_row(target, at, look))
            if look.builders:
                page = pages.read_page(json.dumps({"ImageBuilders": list(look.builders)}).encode())
                tags = None
                if look.tags is not None:
                    told = [
                        [{"Key": k, "Value": v} for k, v in sorted(look.tags.get(b["Name"], {}).items())]
                        for b in look.builders
                    ]
                    tags = pa.array(told, contract.TAG_LIST)
                sink.write_batch(looked([(target, page, at, tags)]))
    home.publish(window or Window.at(cadence, at), [Extracted(rows, stream)], lambda: at)


def _row(target: Target, at: datetime, look: Look) -> dict[str, Any]:
    seen = look.builders is not None
    row: dict[str, Any] = dict.fromkeys(c.name for c in contract.EXTRACTS.columns)
    return row | {
        "account_id": target.account_id,
        "region": target.region,
        "is_configured": None if look.is_by_hand else True,
        "status": "ok" if seen else "denied",
        "complete": seen and look.complete,
        "error_code": None if seen else "AccessDeniedException",
        "started_at": at,
        "observed_at": at,
        "pages": 1,
        "builders": len(look.builders or ()),
        "duplicates": 0,
        "retries": 0,
        "tags_status": "ok" if look.tags is not None else None,
        "botocore_version": "1",
        "contract_version": 1,
    }


@dataclass
class Seen:
    """What the looks at a region say of one builder, in order: its state and members, or that it was not there."""

    at: datetime
    builder: Builder | None
    """None where a complete look did not see it."""


def seen(name: str, looks: Sequence[tuple[datetime, Look]]) -> list[Seen]:
    """What the looks prove of a builder: a failed one proves nothing, a partial one no absence."""
    found = []
    for at, look in looks:
        if look.builders is None:
            continue
        builder = next((b for b in look.builders if b["Name"] == name), None)
        if builder is not None or look.complete:
            found.append(Seen(at, builder))
    return found


def history(name: str, looks: Sequence[tuple[datetime, Look]]) -> list[tuple[Any, ...]]:
    """(version, state, valid_from, valid_to, last_seen_at, began, ended) by a walk along the looks."""
    versions: list[list[Any]] = []
    before: Seen | None = None
    last: Builder | None = None
    for now in seen(name, looks):
        if now.builder is None:
            if before and before.builder is not None:
                versions[-1][3], versions[-1][6] = now.at, "deleted"
        elif before is None or before.builder is None:
            began = "created" if before else "first_seen"
            if last and last["CreatedTime"] == now.builder["CreatedTime"]:
                began, versions[-1][6] = "seen_again", "unseen"
            versions.append([len(versions) + 1, now.builder["State"], now.at, None, now.at, began, None])
        elif _attributes(now.builder) != _attributes(before.builder):
            is_anew = now.builder["CreatedTime"] != before.builder["CreatedTime"]
            began = "recreated" if is_anew else "changed"
            versions[-1][3], versions[-1][6] = now.at, began
            versions.append([len(versions) + 1, now.builder["State"], now.at, None, now.at, began, None])
        else:
            versions[-1][4] = now.at
        before, last = now, now.builder or last
    return [tuple(v) for v in versions]


def changes(name: str, looks: Sequence[tuple[datetime, Look]]) -> list[tuple[Any, ...]]:
    """(changed_at, changed_after, change, field, from_value, to_value), by a walk along the looks: where a builder
    comes, goes or is another one of its name, and where its state or its subnets change.
    """
    found: list[list[Any]] = []
    gone: list[Any] | None = None
    before: Seen | None = None
    last: Seen | None = None
    for now in seen(name, looks):
        is_same = bool(now.builder and last and now.builder["CreatedTime"] == last.builder["CreatedTime"])  # type: ignore[index]
        if now.builder is None:
            if last and before is last:
                found.append(gone := [now.at, last.at, "deleted", None, None, None])
        elif before is None or before.builder is None:
            change = "created" if before else "first_seen"
            if is_same and gone:
                change, gone[2] = "seen_again", "unseen"
            found.append([now.at, before and before.at, change, None, None, None])
        elif not is_same:
            found.append([now.at, before.at, "recreated", None, None, None])
        if now.builder and last and last.builder and is_same:
            for field, value in (("state", lambda b: b["State"]), ("subnet_ids", _subnets)):
                if value(now.builder) != value(last.builder):
                    found.append([now.at, last.at, "changed", field, value(last.builder), value(now.builder)])
        before, last = now, now if now.builder else last
    return [tuple(row) for row in found]


def _subnets(builder: Builder) -> str | None:
    return ", ".join(sorted(builder.get("VpcConfig", {}).get("SubnetIds", ()))) or None


def _attributes(builder: Builder) -> Builder:
    """The members whose change makes a version: lists have none."""
    return {name: value for name, value in builder.items() if name != "VpcConfig"}


CLOSE = timedelta(hours=3)
"""Two looks that are farther apart prove nothing of what lies between them."""


def _without_contradicted(walk: Sequence[Seen]) -> list[Seen]:
    """Without the looks that AWS left a builder out of: it was seen before and after with the same created_time."""
    found = []
    for now in walk:
        around = [
            next((s for s in walk if s.builder and s.at > now.at), None),
            next((s for s in reversed(walk) if s.builder and s.at < now.at), None),
        ]
        if now.builder or None in around or len({s.builder["CreatedTime"] for s in around if s and s.builder}) > 1:
            found.append(now)
    return found


def spans(name: str, looks: Sequence[tuple[datetime, Look]], end: datetime) -> list[tuple[Any, ...]]:
    """(first_seen_at, last_seen_at, looks, hours_low, hours_high) of each stretch of RUNNING, by a walk along the
    looks.
    """
    found: list[dict[str, Any]] = []
    before: Seen | None = None
    is_open = False
    for now in _without_contradicted(seen(name, looks)):
        is_running = now.builder is not None and now.builder["State"] == "RUNNING"
        is_anew = bool(
            now.builder and before and before.builder and now.builder["CreatedTime"] != before.builder["CreatedTime"]
        )
        if is_open and (not is_running or is_anew):
            created = datetime.fromtimestamp(now.builder["CreatedTime"], now.at.tzinfo) if is_anew else now.at  # type: ignore[index]
            # AWS's clock may say that the next was created before we saw this one last.
            found[-1]["ended"], is_open = min(now.at, created) if created >= found[-1]["last"] else now.at, False
        if is_running and not is_open:
            assert now.builder
            created = datetime.fromtimestamp(now.builder["CreatedTime"], now.at.tzinfo)
            is_new = before is None or before.builder is None or is_anew
            known = [created] if is_new else []
            known += [before.at] if before else []
            proven = timedelta()
            found.append({"first": now.at, "after": min(max(known), now.at), "ended": None, "low": proven, "looks": 0})
            is_open = True
        elif is_running and now.at - found[-1]["last"] <= CLOSE:
            found[-1]["low"] += now.at - found[-1]["last"]
        if is_running:
            found[-1]["last"] = now.at
            found[-1]["looks"] += 1
        before = now
    hour = timedelta(hours=1)
    return [
        (f["first"], f["last"], f["looks"], f["low"] / hour, ((f["ended"] or end) - f["after"]) / hour) for f in found
    ]


Likely = tuple[float, float]
NEVER, FIRST_HALF, SECOND_HALF, ALWAYS = (0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (0.0, 1.0)


def hours(  # noqa: C901 - it is to be read beside the rules, case by case
    name: str, looks: Sequence[tuple[datetime, Look]], end: datetime
) -> dict[date, list[float]]:
    """By UTC day: how long a builder ran, at least, as is likely and at most, in hours; days on which it cannot have
    run are left out. Counted in steps of half an hour, so moments must be whole hours.
    """
    since = next((at for at, look in looks if look.builders is not None), end)
    days: dict[date, list[float]] = {}

    def count(begin: datetime, finish: datetime, proven: bool, likely: Likely, possible: bool) -> None:
        at, length = begin, finish - begin
        while at < finish:
            day = days.setdefault(at.date(), [0.0, 0.0, 0.0])
            is_likely = begin + length * likely[0] <= at < begin + length * likely[1]
            for position, counts in enumerate((proven, is_likely, possible)):
                day[position] += 0.5 * counts
            at += timedelta(minutes=30)

    walk = _without_contradicted(seen(name, looks))
    before: Seen | None = None
    last: Seen | None = None
    for now in walk:
        if now.builder is None:
            if before and before.builder:
                ran, close = _is_running(before), now.at - before.at <= CLOSE
                count(before.at, now.at, False, FIRST_HALF if ran else NEVER, ran or not close)
            before = now
            continue
        runs = _is_running(now)
        created = datetime.fromtimestamp(now.builder["CreatedTime"], now.at.tzinfo)
        is_anew = bool(before and before.builder and before.builder["CreatedTime"] != now.builder["CreatedTime"])
        if before and before.builder and (not is_anew or created < before.at):
            ran, close = _is_running(before), now.at - before.at <= CLOSE
            likely = {(True, True): ALWAYS, (True, False): FIRST_HALF, (False, True): SECOND_HALF}
            count(
                before.at,
                now.at,
                ran and runs and close and not is_anew,
                likely.get((ran, runs), NEVER),
                ran or runs or not close,
            )
        else:
            gone = before.at if before else since
            if is_anew and before:
                until = min(created, now.at)
                ran, close = _is_running(before), until - before.at <= CLOSE
                count(before.at, until, False, FIRST_HALF if ran else NEVER, ran or not close)
                gone = until
            if not before or created > before.at:
                count(max(min(created, now.at), gone), now.at, False, ALWAYS if runs else FIRST_HALF, True)
            else:
                count(gone, now.at, False, SECOND_HALF if runs else NEVER, True)
        before = last = now
    if last and last is before:
        ran = _is_running(last)
        count(last.at, end, False, ALWAYS if ran else NEVER, True)
    return {day: numbers for day, numbers in days.items() if numbers[2] > 0}


def _is_running(sighting: Seen) -> bool:
    return sighting.builder is not None and sighting.builder["State"] == "RUNNING"
