"""The folder of the fold: what of the history is settled, as finished rows and open ones, beside the commits.

A fold has no meaning of its own. It is of certain commits and of certain queries; where either is another one, or a
file is not what it should be, there is no fold, and answers are computed from the commits. What is in it, and how it is
made and read, is `views`' subject.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import secrets
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath

from pipeline.warehouse.contents import Contents
from pipeline.warehouse.holdings import FOLD, MANIFEST, Holdings
from pipeline.warehouse.raw_tables import file_literal
from pipeline.warehouse.scan import quoted
from pipeline.warehouse.snapshot_ids import Name, days_of, unjoined_id
from pipeline.warehouse.storage import committed
from pipeline.warehouse.warehouse import Warehouse

_NAME = re.compile(rf"\d{{8}}T\d{{12}}-(?P<sum>[0-9a-f]{{16}}){re.escape(MANIFEST)}")
"""When it was written, and a digest of it."""

ID = "regexp_extract(snapshot_id, '^[^-]+-[^-]+-[0-9a-f]{4}')"
"""SQL for the id of a snapshot before it was joined."""


@dataclass(frozen=True)
class FoldFile:
    """A file of finished or open rows: its bytes and their CRC-32; `year` is that of the days that it was folded of."""

    path: str
    rows: int
    size: int
    crc: int
    year: int


@dataclass(frozen=True)
class Relation:
    """Rows of one kind: their columns with DuckDB's types, and the files that they lie in."""

    columns: dict[str, str]
    files: tuple[FoldFile, ...] = ()


@dataclass(frozen=True)
class Fold:
    """What is folded: all snapshots of the days `through` one, but for those that are `late`."""

    version: str
    """Of the queries that made it, and of the contract."""
    rules: str
    """Of the rules that say what is billed, what is proven and when people work."""
    through: date
    late: frozenset[str] = frozenset()
    """Ids, as before they were joined, of snapshots of those days that tell of a moment after one that is not in it."""
    covers: frozenset[str] = frozenset()
    """The names of the files that have a snapshot of those days."""
    ids: str = ""
    """A digest of the ids of those snapshots."""
    suffixes: tuple[tuple[str, str], ...] = ()
    """What the ids of joined snapshots end with, up to a day each, as `YYYYMMDD`."""
    relations: dict[str, Relation] = field(default_factory=dict)

    def text(self) -> str:
        told = asdict(self) | {
            "through": str(self.through),
            "late": sorted(self.late),
            "covers": sorted(self.covers),
        }
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Fold:
        """Raises ValueError, KeyError or TypeError for what is no manifest."""
        told = json.loads(text)
        relations = {
            name: Relation(each["columns"], tuple(FoldFile(**file) for file in each["files"]))
            for name, each in told["relations"].items()
        }
        return cls(
            told["version"],
            told["rules"],
            date.fromisoformat(told["through"]),
            frozenset(told["late"]),
            frozenset(told["covers"]),
            told["ids"],
            tuple((day, suffix) for day, suffix in told["suffixes"]),
            relations,
        )

    @property
    def paths(self) -> list[str]:
        return [file.path for relation in self.relations.values() for file in relation.files]


def newest_fold(home: Warehouse, holdings: Holdings, version: str) -> Fold | None:
    """The newest fold of a version whose files are all there; None where there is none.

    Whether it is of the commits is another question: see `is_of`.
    """
    manifests = [path for path in holdings.paths if is_manifest(path)]
    for path in sorted(manifests, reverse=True):
        with home.storage.open(path) as source:
            content = bytes(source.read())
        match = _NAME.fullmatch(PurePosixPath(path).name)
        if match is None or match["sum"] != _digest(content):
            continue  # Not what was written: it means nothing.
        try:
            fold = Fold.of(gzip.decompress(content).decode())
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError):  # Of a release that wrote others.
            continue
        if fold.version == version and all(
            holdings.has(f.path, f.size) for r in fold.relations.values() for f in r.files
        ):
            return fold
    return None


def is_manifest(path: str) -> bool:
    return path.startswith(f"{FOLD}/") and _NAME.fullmatch(PurePosixPath(path).name) is not None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def new_path(relation: str) -> str:
    """The path of a new file of a relation's rows."""
    return f"{FOLD}/{relation}/{secrets.token_hex(8)}.parquet"


def write_manifest(home: Warehouse, holdings: Holdings, made: Fold) -> None:
    """Puts a fold in the place of those before, whose files go after the grace for their readers."""
    content = gzip.compress(made.text().encode())
    path = f"{FOLD}/{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{_digest(content)}{MANIFEST}"
    with committed(home.storage.create(path)) as sink:
        sink.write(content)
    time.sleep(home.grace)
    home.storage.remove(*(old for old in holdings.of_fold if old not in {path, *made.paths}))


def is_whole(home: Warehouse, fold: Fold, names: Iterable[str]) -> bool:
    """Whether the files of some relations hold what was written. Of a bucket's that is taken on trust: S3 looks itself,
    and to read them all is what the fold is to save.
    """
    if home.storage.is_remote:
        return True
    for file in (file for name in names for file in fold.relations[name].files):
        with home.storage.open(file.path) as source:
            if zlib.crc32(source.read()) != file.crc:
                return False
    return True


def is_of(fold: Fold, holdings: Holdings) -> bool:
    """Whether a fold is of the commits that there are, by the names of their files."""
    return fold.covers == covered_by(holdings, fold.through)


def last_day(holdings: Holdings, upto: date) -> date | None:
    """The last day, up to one, of which there can be a snapshot; None where there is none."""
    spans = (days_of_file(name) for name in holdings.commits)
    return max((min(last, upto) for first, last in spans if first <= upto), default=None)


def covered_by(holdings: Holdings, through: date) -> frozenset[str]:
    """The names of the files that can have a snapshot of the days through one."""
    return frozenset(str(name) for name in holdings.commits if days_of_file(name)[0] <= through)


def ids_digest(contents: Contents, through: date) -> str:
    """A digest of the snapshots of the days through one, whichever files they lie in: of their ids, and of how often
    rows of their file were forgotten.
    """
    upto = f"{through + timedelta(days=1):%Y%m%d}"
    told = {
        f"{unjoined_id(i)} {name.revision}"
        for name, ids in contents.ids.items()
        for i in ids & contents.winners
        if i < upto
    }
    return hashlib.sha256("\n".join(sorted(told)).encode()).hexdigest()


def suffixes_of(contents: Contents, through: date) -> tuple[tuple[str, str], ...] | None:
    """What the ids of the snapshots through a day end with, by the last day of each; None where those of one day end
    differently, as they do until upkeep has ended.
    """
    by_day: dict[str, set[str]] = {}
    for snapshot_id in contents.winners:
        by_day.setdefault(snapshot_id[:8], set()).add(snapshot_id.removeprefix(unjoined_id(snapshot_id)))
    found: list[tuple[str, str]] = []
    for day in sorted(d for d in by_day if d <= f"{through:%Y%m%d}"):
        if len(by_day[day]) > 1:
            return None
        (suffix,) = by_day[day]
        if found and found[-1][1] == suffix:
            found.pop()
        found.append((day, suffix))
    return tuple(found)


def folded_scans(home: Warehouse, fold: Fold, names: Iterable[str], as_now: bool = True) -> dict[str, tuple[str, str]]:
    """A query of each relation's rows, and one of none. Ids are as they are now; else as kept, as before joining."""
    own_id = _current_id(fold) if as_now else "snapshot_id"
    found = {name: fold.relations[name] for name in names}
    return {name: (scan_of(home, r.columns, r.files, own_id), no_rows(r.columns)) for name, r in found.items()}


def scan_of(home: Warehouse, columns: Mapping[str, str], files: Iterable[FoldFile], own_id: str = "snapshot_id") -> str:
    """A query of the rows of files; `own_id` is what it tells as snapshot_id."""
    listed = ", ".join(quoted(file_literal(home, file.path)) for file in files)
    if not listed:
        return no_rows(columns)
    told = ", ".join(own_id if name == "snapshot_id" else name for name in columns)
    return f"select {told} from read_parquet([{listed}], hive_partitioning = false)"


def _current_id(fold: Fold) -> str:
    if not any(suffix for _, suffix in fold.suffixes):
        return "snapshot_id"
    cases = " ".join(
        f"when substr(snapshot_id, 1, 8) <= {quoted(day)} then {quoted(suffix)}" for day, suffix in fold.suffixes
    )
    return f"concat(snapshot_id, case {cases} else '' end) as snapshot_id"


def no_rows(columns: Mapping[str, str]) -> str:
    """A query of no rows with columns of some types."""
    return f"select {', '.join(f'null::{kind} as {name}' for name, kind in columns.items())} where false"


def days_of_file(name: Name) -> tuple[date, date]:
    """The first and the last day of which a file can have snapshots."""
    return days_of(name.span or "day", name.day)
