"""What a program does at its edges: told to stop, with odd streams, with a Dagster home that is broken, with a bug."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.sandbox.faults import Fault
from tests.support import Looker, builder
from tests.support.command import COMMAND, failed, image_builders

ENDLESS = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"


@pytest.fixture
def look(looker: Callable[..., Looker]) -> Looker:
    look = looker(builder("zoë"), us_east_1=[builder("zoë")])
    look.publish()
    return look


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "arguments"),
    [
        (signal.SIGINT, ("query", ENDLESS)),
        (signal.SIGTERM, ("query", ENDLESS)),
        (signal.SIGTERM, ("snapshot",)),
        (signal.SIGINT, ("doctor",)),
    ],
)
def test_a_signal_ends_a_command_whatever_it_waits_for(
    how: signal.Signals, arguments: tuple[str, ...], look: Looker
) -> None:
    look.sandbox.appstream.faults.append(Fault("trickle", value=1.0))
    asked = len(look.sandbox.appstream.calls)
    with subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        if arguments[0] == "query":
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=3)
        else:
            while process.poll() is None and len(look.sandbox.appstream.calls) == asked:
                pass
        process.send_signal(how)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(r"image-builders: Interrupted.*\n", err), err


@pytest.mark.slow
def test_streams_that_are_odd(look: Looker) -> None:
    def run(command: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["bash", "-c", command.replace("IB", str(COMMAND))],
            capture_output=True,
            env=os.environ | environ,
            check=False,
        )

    ask = 'IB query "select name from image_builders_current"'
    closed = run(f"{ask} >&-")
    assert (closed.returncode, closed.stdout) == (1, b"")
    assert closed.stderr.startswith(b"image-builders: Standard output is closed")
    full = run(f"{ask} >/dev/full")
    assert (full.returncode, full.stderr) == (1, b"image-builders: There is no room left to write to.\n")
    written = run(f"{ask} --output told.csv >&- <&- 2>&-")
    assert (written.returncode, Path("told.csv").read_text()) == (0, "name\nzoë\n")
    gone = run('IB query "from range(20000)" | head -n 1')
    assert (gone.stdout.strip(), gone.stderr) == (b"range", b"")
    told = run(ask, PYTHONIOENCODING="ascii")
    assert (told.returncode, "zoë" in told.stdout.decode()) == (0, True)


def test_a_home_of_dagster_that_is_broken_is_one_sentence(look: Looker, tmp_path: Path) -> None:
    look.warehouse.clear()
    home = tmp_path / "home"
    (home / "history").mkdir(parents=True)
    (home / "history" / "runs.db").write_bytes(b"no database at all" * 300)
    failed(image_builders("snapshot", DAGSTER_HOME=str(home)), 1, "cannot be used .*file is not a database")
    for content in (b"a: [b", b"nonsense: 1"):
        (home / "dagster.yaml").write_bytes(content)
        failed(image_builders("snapshot", DAGSTER_HOME=str(home)), 2, "Dagster's settings .* cannot be used")
    assert look.warehouse.snapshots() == []


def test_what_nobody_foresaw_is_one_sentence_and_a_file(
    look: Looker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for error, kept in ((ZeroDivisionError("by \x1b[31mzero"), True), (MemoryError(), False)):

        def unforeseen(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("pipeline.views.query", unforeseen)
        done = image_builders("query", "select 1")
        assert "\x1b" not in done.stderr
        assert "Traceback" not in done.stderr
        failed(done, 1, "Something unforeseen went wrong" if kept else "not enough memory")
        if kept:
            (path,) = [str(found) for found in tmp_path.glob("image-builders-*.txt")]
            assert path in done.stderr
            assert "ZeroDivisionError" in Path(path).read_text()


def test_moments_beyond_pythons_are_told(look: Looker) -> None:
    sql = (
        "select 'infinity'::timestamptz as a, '-infinity'::date as b, '0044-03-15 (BC)'::date as c, interval 3 day as d"
    )
    assert (
        image_builders("query", sql, "--format", "csv").stdout == "a,b,c,d\ninfinity,-infinity,0044-03-15 (BC),3 days\n"
    )
    for form in ("table", "json", "markdown"):
        assert "infinity" in image_builders("query", sql, "--format", form).stdout


def test_what_json_has_no_word_for_is_null(look: Looker) -> None:
    sql = "select 'nan'::double as a, {'b': ['inf'::double]} as b, map {'k': '-inf'::float} as c"
    told = image_builders("query", sql, "--format", "json").stdout
    assert "NaN" not in told
    assert "Infinity" not in told


def test_csv_for_excel(look: Looker) -> None:
    sql = "select '012345678901' as id, '=1+1' as f, ' =1' as g, '-x' as h, 'plain' as p, -5 as n, null as z"
    told = image_builders("query", sql, "--excel").stdout
    assert told == "\ufeffid,f,g,h,p,n,z\n" + '"=""012345678901""",\'=1+1,\' =1,\'-x,plain,-5,\n'
    failed(image_builders("query", sql, "--excel", "--format", "json"), 2, "--excel is about CSV")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_modules_are_loaded_is_a_word_and_no_traceback(number: signal.Signals) -> None:
    finder = "type('F', (), {'find_spec': staticmethod(lambda name, *_: stop() if name == 'pipeline.cli' else None)})"
    told = f"import os, sys, pipeline.start; stop = lambda: os.kill(os.getpid(), {int(number)}); "
    done = subprocess.run(
        [sys.executable, "-c", f"{told}sys.meta_path.insert(0, {finder}); pipeline.start.program()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "image-builders: Interrupted.\n")


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1", "1e12"])
def test_a_timeout_is_a_number_of_seconds(seconds: str) -> None:
    assert image_builders("query", "--timeout", seconds, "select 1").returncode == 2


def test_what_is_within_a_list_is_told_as_what_is_not(look: Looker) -> None:
    sql = "select [1.5, 2.25] as a, sum(3) as b, ['infinity'::timestamptz] as c"
    told = image_builders("query", sql, "--format", "json")
    assert (told.returncode, '"b": 3' in told.stdout, "1.5" in told.stdout) == (0, True, True), told.stderr
    assert '"1.5' not in told.stdout
    assert "infinity" in told.stdout
