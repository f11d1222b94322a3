"""How answers look: in terminals of any width, in files that other programs read, from SQL that comes any way."""

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import columns
from pipeline.cli.fitting import Size, as_text
from tests.support import Looker, builder
from tests.support.command import COMMAND, failed, image_builders


@pytest.fixture
def look(looker: Callable[..., Looker]) -> Looker:
    look = looker(builder("a", Description=""), builder("b"), builder("c"))
    look.publish()
    return look


def in_terminal(width: int, height: int, *arguments: str) -> list[str]:
    """The lines that a command leaves in a terminal of a size, without colours and what a spinner drew."""
    pid, leader = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        os.execvpe(COMMAND, [str(COMMAND), *arguments], environ | {"TERM": "xterm-256color"})
    said = b""
    while True:
        try:
            said += os.read(leader, 65536)
        except OSError:  # The command has ended.
            break
    os.close(leader)
    os.waitpid(pid, 0)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    return [line.rpartition("\r")[2].rstrip() for line in plain.replace("\r\n", "\n").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 200])
def test_all_columns_of_an_image_builder_fit_a_terminal(width: int, look: Looker) -> None:
    lines = in_terminal(width, 24, "query", "from image_builders_current")
    lines = lines[next(n for n, line in enumerate(lines) if line.startswith("snapshot_id")) :]
    header, _, *rows, count = lines
    assert max(map(len, lines)) <= width
    assert header.startswith("snapshot_id")
    assert header.endswith("is_last_look_failed")
    assert len(rows) == 3
    shown = len(header.split()) - 1
    assert re.fullmatch(rf"\(3 rows; \d+ columns, {shown} shown; --wide shows all\)", count)
    wide = in_terminal(width, 24, "query", "from image_builders_current", "--wide")
    assert any("arn:aws:appstream:us-east-1:123456789012:image-builder/a" in line for line in wide)


@pytest.mark.slow
def test_one_row_is_names_and_values_and_many_rows_are_counted(look: Looker) -> None:
    one = in_terminal(80, 24, "query", "select * from image_builders_current where name = 'a'")
    assert max(map(len, one)) <= 80
    assert [line for line in one if re.fullmatch(r"description", line)], "'' is nothing"
    assert [line for line in one if re.fullmatch(r"created_time +NULL", line)], "null is told"
    many = in_terminal(80, 30, "query", "from range(1000)")
    assert many[-1] == "(1,000 rows, 24 shown; --wide shows all)"
    assert in_terminal(80, 30, "query", "from range(1000)", "--wide")[-1] == "(1,000 rows)"


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)
cells = st.one_of(st.none(), texts)


@given(
    names=st.lists(st.from_regex(r"[a-z_]{1,30}", fullmatch=True), min_size=1, max_size=20, unique=True),
    rows=st.lists(st.lists(cells, min_size=20, max_size=20), min_size=2, max_size=30),
    size=st.builds(Size, st.integers(50, 250), st.integers(10, 60)),
)
def test_any_table_fits_any_terminal(names: list[str], rows: list[list[str | None]], size: Size) -> None:
    from rich.cells import cell_len

    table = pa.table({name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(names)})
    lines = as_text(table, size, "NULL", "--wide shows all").splitlines()
    assert max(cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) <= size.width
    shown = re.sub(r"\x1b\[[0-9;]*m", "", lines[0]).split()
    assert [name for name in shown if name != "…"] == [name for name in names if name in shown], "no header is cut"
    left_out = len(names) - len([name for name in shown if name != "…"])
    told = " ".join(lines).partition(f"({len(rows)} row")[2]
    assert (f"{len(names)} columns, {len(names) - left_out} shown" in told) == bool(left_out)


def test_no_column_is_narrower_than_its_header_or_eight_characters() -> None:
    table = pa.table({f"c{n}": ["x" * 50] * 2 for n in range(9)} | {"a_long_name_of_a_number": [1, 2]})
    row = as_text(table, Size(80, 24)).splitlines()[2].split()
    widths = [len(cell) for cell in row if set(cell) <= {"x", "…"} and len(cell) > 1]
    assert len(widths) == 3
    assert min(widths) >= columns.LEAST


def test_money_has_cents_and_times_their_zone() -> None:
    asked = duckdb.connect().sql(
        "select 1.5::double as usd_estimate, 0.04109589::double as volume_usd_per_hour, 2.0::double as usd, "
        "timestamptz '2026-11-25 12:00:00+00' as at, 1.25::double as hours, true as yes"
    )
    assert asked
    line = as_text(asked.to_arrow_table()).splitlines()[2]
    assert re.split("  +", line.strip()) == ["1.50", "0.041096", "2.00", "2026-11-25 12:00:00Z", "1.25", "true"]


def test_sql_comes_from_a_file_standard_input_or_with_a_comment(look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    commented = "-- How many?\nselect count(*) as n from image_builders"
    Path("q.sql").write_text(commented)
    Path("of.sql").write_text("-- Whose?\n-- Parameter: name text = a: the name\nselect $name as n")
    assert image_builders("query", commented, "--format", "csv").stdout == "n\n3\n"
    assert image_builders("query", "q.sql", "--format", "csv").stdout == "n\n3\n"
    assert image_builders("query", "of.sql", "name=b", "--format", "csv").stdout == "n\nb\n"
    for arguments in (["query", "-"], ["query"]):
        monkeypatch.setattr("sys.stdin", io.StringIO(commented))
        assert image_builders(*arguments, "--format", "csv").stdout == "n\n3\n"
    done = image_builders("query", "--frmat", "csv", "select 1")
    assert "No such option" in done.stderr, "a mistyped option is none of it"


ANSWER = (
    "select name, description, 1.5 as n, null as nothing, observed_at, ['x'] as list from image_builders order by name"
)


def test_answers_go_to_files_in_the_format_of_their_names(look: Looker) -> None:
    for name in ("a.csv", "a.json", "a.md", "a.xlsx", "a.parquet", "a.txt"):
        done = image_builders("query", ANSWER, "-o", name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", f"Wrote 3 rows to {name}\n")
    assert b"\r" not in Path("a.csv").read_bytes()
    assert Path("a.csv").read_text().splitlines()[1].startswith('a,"",1.5,,2'), "an empty text is not null"
    assert [row["name"] for row in json.loads(Path("a.json").read_text())] == ["a", "b", "c"]
    assert Path("a.md").read_text().splitlines()[0].startswith("| name | description | n |")
    assert pq.read_table("a.parquet").schema.field("observed_at").type == pa.timestamp("us", "UTC")
    with zipfile.ZipFile("a.xlsx") as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    of = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert [text.text for text in strings.iter(f"{of}t")][:3] == ["name", "description", "n"]
    assert len(list(sheet.iter(f"{of}row"))) == 4
    assert not list(sheet.iter(f"{of}f")), "no formulas"
    assert [path.name for path in Path().iterdir() if path.name.startswith(".a.")] == []


def test_what_cannot_be_written_is_told_before_it_is_asked(look: Looker) -> None:
    failed(image_builders("query", "selct", "--format", "parquet"), 2, "is no text: name a file with --output")
    failed(
        image_builders("query", "selct", "-o", "no/where.csv"), 2, "no/where.csv cannot be written: there is no such"
    )
    Path("folder.csv").mkdir()
    failed(image_builders("query", "select 1", "-o", "folder.csv"), 2, "folder.csv cannot be written: Is a directory")


def test_the_list_has_what_is_asked_first_and_plumbing_last() -> None:
    told = image_builders("query", "--list").stdout
    assert told.index("@one-builder") < told.index("@cost-by-owner") < told.index("image_builders_current")
    assert "image_builder_pieces" not in told
    assert "image_builder_pieces" in image_builders("query", "--list", "--all").stdout
    types = image_builders("query", "--describe", "image_builders_as_of", "--format", "csv").stdout
    assert "observed_at,timestamp with time zone," in types


def test_the_views_open_in_duckdbs_command_line(look: Looker) -> None:
    asked = "select count(*) as n, current_setting('TimeZone') as zone from image_builders_current;"
    done = subprocess.run([COMMAND, "open"], input=f".mode csv\n{asked}\n", capture_output=True, text=True, check=True)
    assert done.stdout == "n,zone\n3,UTC\n"
    none = subprocess.run([COMMAND, "open"], input="drop view coverage;", capture_output=True, text=True, check=False)
    assert "read-only" in none.stderr


ODD = """select
    sum(i) as total, 'nan'::double as nan, interval 1 day as span, timestamp 'infinity' as ever,
    [date '2026-01-01'] as days, true as yes, 1152921504606846977::bigint as large
from range(3) as r(i)"""


def test_values_that_a_format_has_no_word_for_are_told_as_far_as_they_can_be(look: Looker) -> None:
    (row,) = json.loads(image_builders("query", ODD, "--format", "json").stdout)
    assert (row["total"], row["nan"], row["days"], row["yes"]) == (3, None, ["2026-01-01"], True)
    csv = image_builders("query", ODD, "--format", "csv").stdout.splitlines()[1]
    assert csv.startswith("3,nan,")
    assert ',"[""2026-01-01""]",true,' in csv
    assert image_builders("query", ODD, "-o", "odd.xlsx").returncode == 0
    with zipfile.ZipFile("odd.xlsx") as book:
        assert b"<v>3</v>" in book.read("xl/worksheets/sheet1.xml"), "a sum of whole numbers is a number"
        assert b"1152921504606846977" in book.read("xl/sharedStrings.xml"), "and a large one is told exactly"
    assert "2026-01-01" in image_builders("query", ODD, "--format", "table").stdout
    done = image_builders("query", "select interval 1 day as span", "-o", "odd.parquet")
    failed(done, 2, "cannot be written as Parquet .*: cast that column to text")


def test_what_a_link_leads_to_is_written_and_a_pipe_is_written_to(look: Looker) -> None:
    Path("real.csv").write_text("old")
    Path("latest.csv").symlink_to("real.csv")
    assert image_builders("query", "select 1 as n", "-o", "latest.csv").returncode == 0
    assert Path("latest.csv").is_symlink()
    assert Path("real.csv").read_text() == "n\n1\n"
    command = f"'{COMMAND}' query 'select 1 as n' --format csv -o /dev/stdout | cat"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "n\n1\n"
    assert Path("/dev/stdout").is_symlink()


def test_standard_input_may_be_closed_or_have_parameters(look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = subprocess.run(f"'{COMMAND}' query <&-", shell=True, capture_output=True, text=True, check=False)
    assert closed.returncode == 2
    assert "Give one of" in closed.stderr
    monkeypatch.setattr("sys.stdin", io.StringIO("-- Parameter: n number = 2: how many\nselect $n as n"))
    assert image_builders("query", "--format", "csv").stdout == "n\n2.0\n"
    Path("my cost.sql").write_text("select 3 as n")
    assert image_builders("query", "my cost.sql", "--format", "csv").stdout == "n\n3\n"


def test_headers_are_measured_as_they_are_shown() -> None:
    table = pa.table({"名前名前名前": ["x", "y"], "a\nb": ["x", "y"]})
    header = as_text(table, Size(80, 24)).splitlines()[0]
    assert re.sub(r"\x1b\[[0-9;]*m", "", header).split() == ["名前名前名前", "a\\nb"]
