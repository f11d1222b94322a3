"""Broken input of every kind: it is refused with a sentence, or taken for what it says; nothing else is ever raised."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import example, given

from pipeline import views
from pipeline.aws import Access, new_session
from pipeline.errors import ConfigurationError, ImageBuildersError, MalformedReplyError, QueryError
from pipeline.extract import RetryPolicy, Sweep, read_page
from pipeline.extract.limits import LookLimits
from pipeline.extract.pages import peek_token, read_pages
from pipeline.extract.reader import RECEIVED_AT, Reader
from pipeline.extract.wire import BODY, TOKEN
from pipeline.settings.files import SettingsFile
from pipeline.settings.price_file import read_prices
from pipeline.settings.rules import read_rules
from pipeline.settings.targets_file import read_targets
from pipeline.views.permitted import lock, require_question
from pipeline.warehouse import Warehouse
from tests.support import NOON, Looker, builder, target
from tests.support.effort import examples
from tests.support.raw_server import RawServer

BUILDERS = [
    builder("plain"),
    builder(
        "full",
        CreatedTime=1763890000.123456,
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": []},
        RootVolumeConfig={"VolumeSizeInGb": 200},
        ImageBuilderErrors=[{"ErrorCode": "E", "ErrorMessage": "ö\nü", "ErrorTimestamp": 0}],
        Unknown={"a": [1, None]},
    ),
]
PAGE = json.dumps({"ImageBuilders": BUILDERS, "NextToken": "t"}).encode()
PIECES = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\n",
        b"null",
        b"NaN",
        b"1e999",
        b"-0",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(
        b'"ImageBuilders":',
        b'"NextToken":',
        b'"Name":',
        b'{"ImageBuilders": []}',
        b'{"ImageBuilders":[',
        b"]}",
        b"[" * 120,
    ),
    *(b"\\ud800", b"<html>", b"1" * 400, b'"a"', b"true", b'{"ImageBuilders":[{"Name":"x"}'),
]


@st.composite
def mutated(draw: Any, whole: bytes = PAGE) -> bytes:
    """A text in which pieces were cut out, put in, doubled or exchanged."""
    text = whole
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + draw(st.sampled_from([0, 1, 5, 60])))))
        put = draw(st.sampled_from([*PIECES, b"", text[start:end] * 2]) | st.binary(max_size=4))
        text = text[:start] + put + text[end:]
    return text


def told(body: bytes) -> list[str] | None:
    """The names of a page, by Python's own reader of JSON; None for what is no page."""
    try:
        page = read_page(body)
    except MalformedReplyError:
        return None
    names = page.names()
    assert names == [b["Name"] for b in json.loads(body)["ImageBuilders"]]
    for extra in page.extra.to_pylist():
        assert extra is None or json.loads(extra, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    return names


@given(mutated())
@example(b"[" * 100_000)
@example(b'{"ImageBuilders": [{"Name": "a", "X": ' + b"[" * 988 + b"]" * 988 + b"}]}")
@example(b'{"ImageBuilders": [{"Name": "a", "X": 1e999}]}')
@example(b'{"ImageBuilders": [{"Name": "a", "CreatedTime": 1e999}]}')
@examples(200, 20_000)
def test_a_mutated_page_is_what_it_says_or_refused(body: bytes) -> None:
    told(body)


@given(st.lists(st.just(PAGE) | mutated() | st.sampled_from(PIECES), min_size=2, max_size=4))
@example([b'{"ImageBuilders":[{"Name":"a"}', b'{"ImageBuilders":[]}]}', b'{"ImageBuilders":[]}'])
@example([b'{"ImageBuilders":[]}{"ImageBuilders":[]}', b"", b'{"ImageBuilders":[]}'])
@example([b'{"ImageBuilders":[', b'{"Name":"a"}]}\n{"ImageBuilders":[]}', b'{"ImageBuilders":[]}'])
@example([b'{"ImageBuilders":[{"Name":"a', b'b"}]}{"ImageBuilders":[]}{"ImageBuilders":[{"Name":"c', b'd"}]}'])
@examples(200, 20_000)
def test_replies_that_are_read_together_never_shift_into_each_other(bodies: list[bytes]) -> None:
    alone = [told(body) for body in bodies]
    together: list[list[str] | None] = []
    try:
        for page in read_pages(bodies):
            together.append(page.names())
    except MalformedReplyError:
        together.append(None)
    upto = alone.index(None) + 1 if None in alone else len(alone)
    assert together == alone[:upto]


@given(st.lists(st.just(PAGE) | mutated(), min_size=2, max_size=3))
@examples(30, 3000)
def test_replies_of_several_listings_never_shift_into_each_other(bodies: list[bytes]) -> None:
    reader = Reader()
    futures = [reader.read([{BODY: body, TOKEN: peek_token(body), RECEIVED_AT: NOON}]) for body in bodies]
    for body, future in zip(bodies, futures, strict=True):
        read, expected = future.result(), told(body)
        found = [page.names() for _, _, page in read.pages]
        assert found == ([expected] if expected is not None and read.failure is None else [])


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"
LAST = json.dumps({"ImageBuilders": BUILDERS}).encode()
REPLY = HEAD % len(LAST) + LAST


@given(mutated(REPLY) | st.just(REPLY))
@example(REPLY.replace(b"200", b"204"))
@example(REPLY.replace(b"200 OK", b"429 Too Many Requests"))
@example(REPLY.replace(b"Content-Length", b"X"))
@example(REPLY.replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX: "))
@example(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
@example(b"\x00" * 70_000)
@example(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n")
@example(b"")
@examples(60, 5000)
def test_a_reply_on_the_wire_is_a_row_whatever_it_is(raw_server: RawServer, reply: bytes) -> None:
    raw_server.reply = reply
    sink = Rows()
    limits = LookLimits(deadline=5.0)
    sweep = Sweep(raw_server.access, lambda: NOON, retry_policy=RetryPolicy(0, 0), concurrency=1, limits=limits)
    (row,) = sweep.run([target()], sink)
    if row["status"] == "ok":
        body = reply.partition(b"\r\n\r\n")[2]
        found = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
        assert sink.names == [b["Name"] for b in found["ImageBuilders"]]
    else:
        assert (sink.names, row["complete"]) == ([], False)
        assert row["error_code"]
        assert row["error_message"]


class Rows:
    def __init__(self) -> None:
        self.names: list[str] = []

    def write_batch(self, batch: Any) -> None:
        self.names += batch["builder"].field("Name").to_pylist()


@pytest.fixture
def raw_server(monkeypatch: pytest.MonkeyPatch) -> Any:
    with RawServer() as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server.access = Access(new_session())
        yield server


SETTINGS = {
    "targets.yaml": (Path(__file__).parents[1] / "targets.yaml.example").read_bytes(),
    "findings.yaml": yaml.safe_dump(
        {"rules": {"stopped_long": {"threshold": 3, "severity": "high"}}, "working_hours": {"from": "08:00"}}
    ).encode(),
    "prices.csv": b'instance_type,usd,region\nstream.standard.small,0.1,us-east-1\n"a,b",2,*\n',
}
SIGNS = [
    *(
        b": ",
        b"- ",
        b"\n",
        b"  ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"&a ",
        b"*a",
        b"!!timestamp ",
        b"!!python/object:os.system ",
        b"!!set ",
    ),
    *(
        b"1:30",
        b"0x1F",
        b"010",
        b".nan",
        b".inf",
        b"~",
        b"2027-02-30",
        b"'",
        b'"',
        b'"\\ud800"',
        b"\xff",
        b"\x00",
        b"#",
        b"<<: ",
    ),
    *(b"---\n", b"? ", b"|", b"x" * 140_000, b"null", b"1e400", b"\r", b",", b";", b"=1+1"),
]


@pytest.mark.parametrize("name", sorted(SETTINGS))
@given(data=st.data())
@examples(80, 8000)
def test_a_settings_file_is_read_or_refused_in_one_sentence(name: str, tmp_path: Path, data: Any) -> None:
    text = SETTINGS[name]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(SIGNS) | st.binary(max_size=3)) + text[end:]
    path = tmp_path / name
    path.write_bytes(text)
    read: dict[str, Callable[[SettingsFile], Any]] = {
        "targets.yaml": read_targets,
        "findings.yaml": read_rules,
        "prices.csv": read_prices,
    }
    try:
        read[name](SettingsFile(path, name))
    except ConfigurationError as error:
        sentence = str(error)
        assert ("\n" in sentence, name in sentence) == (False, True)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [tmp_path_factory.mktemp("small")]


def damage(victim: Path, draw: Any) -> None:
    content = victim.read_bytes()
    match draw(st.sampled_from(["gone", "empty", "short", "foreign", "footer", "doubled", "elsewhere"])):
        case "gone":
            victim.unlink()
        case "empty":
            victim.write_bytes(b"")
        case "short":
            victim.write_bytes(content[: draw(st.integers(1, len(content) - 1))])
        case "foreign":
            victim.write_bytes(b"PAR1" + draw(st.binary(max_size=60)) + b"PAR1")
        case "footer":
            victim.write_bytes(content[:-8] + draw(st.binary(min_size=4, max_size=4)) + b"PAR1")
        case "doubled":
            shutil.copy(victim, victim.with_stem(victim.stem + "x"))
        case "elsewhere":
            victim.rename(victim.with_name("a file of somebody's.parquet"))


@given(data=st.data())
@examples(25, 1500)
def test_a_damaged_warehouse_is_an_error_and_never_a_smaller_answer(
    looker: Callable[..., Looker], small: list[Path], tmp_path: Path, data: Any
) -> None:
    whole = small[0] / "warehouse"
    if not whole.exists():
        look = looker(*BUILDERS)
        look.warehouse = Warehouse(str(whole), grace=0.0)
        look.publish()
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)
    shutil.copytree(whole, tmp_path / "copy")
    files = sorted(path for path in (tmp_path / "copy").rglob("*.parquet"))
    victim = data.draw(st.sampled_from(files))
    damage(victim, data.draw)
    home = Warehouse(str(tmp_path / "copy"))
    for name in ("image_builders_current", "image_builder_history", "extracts"):
        try:
            rows = views.query(home, f"from {name}").num_rows
        except ImageBuildersError:
            continue
        assert rows == (1 if name == "extracts" else len(BUILDERS)), (name, victim)


WORDS = [
    *(
        "select",
        "from",
        "where",
        "image_builders_current",
        "extracts",
        "*",
        "name",
        "count(*)",
        "(",
        ")",
        ",",
        "1",
        "'x'",
        "group by",
    ),
    *(
        "order by",
        "with x as",
        "join",
        "on",
        "union all",
        "copy",
        "to",
        "'x.csv'",
        "attach",
        "read_csv('/etc/passwd')",
        ";",
        "--",
        "/*",
    ),
    *(
        "*/",
        "explain",
        "analyze",
        "describe",
        "summarize",
        "pivot",
        "unpivot",
        "set",
        "pragma",
        "create",
        "$a",
        "?",
        "\x00",
        '"',
        "limit",
    ),
    *(
        "glob('*')",
        "range(10)",
        "unnest([1])",
        "insert into",
        "values (1)",
        "install",
        "load",
        "\n",
        "é",
        "cast(",
        "as int",
        "::",
    ),
]


@pytest.fixture
def locked(looker: Callable[..., Looker]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a warehouse as questions have it."""
    look = looker(*BUILDERS)
    look.publish()
    with views.connect(look.warehouse) as connection:
        lock(connection, look.warehouse, "spill")
        yield connection


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
@examples(300, 30_000)
def test_any_text_is_an_answer_or_refused_and_does_nothing(locked: duckdb.DuckDBPyConnection, sql: str) -> None:
    with contextlib.suppress(QueryError, duckdb.Error):
        require_question(locked, sql)
        locked.execute(sql).fetchmany(10)
    assert not list(Path.cwd().glob("*.csv"))


@pytest.mark.parametrize(
    "sql", ["\udcff", "select '\ud800'", "select \x00", "select $a", "?", "((", "select 1 from", "1"]
)
def test_a_text_that_is_no_question_is_one_sentence(sql: str, looker: Callable[..., Looker]) -> None:
    look = looker(*BUILDERS)
    look.publish()
    with pytest.raises(QueryError, match=r"\A[^\n]+\.\Z"):
        views.query(look.warehouse, sql)
