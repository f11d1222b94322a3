"""The command line as a person uses it: what it prints, what it says of mistakes, how it exits."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import click
import pytest

from pipeline.cli import fitting, main
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.settings.environment import described
from pipeline.views.database import DATABASE
from pipeline.warehouse import Warehouse, s3_reads
from pipeline.warehouse.snapshot_ids import cadence_of
from pipeline.windows import Window
from tests.support import Looker, builder, estate_of, role_arn, write_targets
from tests.support.command import COMMAND, failed, image_builders, image_builders_process
from tests.support.store import BUCKET, make_bucket
from tests.support.years import grow


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [(["--version"], 0), (["query", "--list"], 0), (["query"], 2), (["query", "select 1"], 1)],
)
def test_what_libraries_think_leaked_is_not_the_users_matter(arguments: list[str], exit_code: int) -> None:
    kept = "import ctypes, duckdb; ctypes.pythonapi.Py_IncRef(ctypes.py_object(duckdb.connect()));"
    command = f"import sys; from pipeline.cli import program; sys.argv[1:] = {arguments}; {kept}"
    done = subprocess.run([sys.executable, "-c", f"{command} program()"], capture_output=True, text=True)
    assert done.returncode == exit_code
    assert "nanobind" not in done.stderr


def test_what_cleans_up_at_the_end_does_so_and_a_traceback_is_an_error() -> None:
    start = "import atexit, pathlib; from pipeline import cli; mark = pathlib.Path('cleaned').touch;"
    command = f"{start} cli.app.main = lambda: [atexit.register(mark), 1 / 0]; cli.program()"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert Path("cleaned").exists()


def test_an_answer_that_finds_no_room_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([COMMAND, "query", "--list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "image-builders: There is no room left to write to.\n")


@pytest.fixture
def look(looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch) -> Looker:
    """Two regions of builders at a sandbox in real time, and the warehouse in the working folder."""
    look = looker(
        us_east_1=[builder("a", Description='=1+1, "quoted"'), builder("b", State="STOPPED")],
        eu_west_1=[builder("c", "eu-west-1")],
    )
    look.sandbox.clock.set(None)
    return look


@pytest.mark.slow
def test_a_snapshot_of_everything_exits_with_0_and_tells_what_was_seen(look: Looker, tmp_path: Path) -> None:
    done = image_builders_process("snapshot", "--region", "us-east-1", "--region", "eu-west-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"123456789012 +eu-west-1 +ok +true +1 +1\n", done.stdout)
    assert re.search(r"123456789012 +us-east-1 +ok +true +2 +1\n", done.stdout)
    assert f"to {tmp_path / 'warehouse'}\n" in done.stdout
    assert (tmp_path / "warehouse" / "image_builders.duckdb").exists()
    assert (tmp_path / ".dagster" / "dagster.yaml").read_text().startswith("telemetry:\n  enabled: false\n")


@pytest.mark.slow
def test_a_target_that_was_not_seen_exits_with_3_and_says_why(look: Looker) -> None:
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-west-1"))
    done = image_builders("snapshot", "--region", "us-east-1", "--region", "eu-west-1")
    assert (done.returncode, done.stderr) == (3, "1 of 2 targets were not seen.\n")
    assert "User is not authorized to perform: appstream:DescribeImageBuilders" in done.stdout
    assert "Committed snapshot" in done.stdout
    # Seen earlier in the window, it is carried forward; this run did not see it all the same.
    look.sandbox.appstream.faults.clear()
    assert image_builders("snapshot", "--region", "eu-west-1").returncode == 0
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-west-1"))
    done = image_builders("snapshot", "--region", "eu-west-1")
    assert done.returncode == 3
    assert "later_status" in done.stdout


@pytest.mark.slow
def test_the_cadence_is_the_warehouses_and_a_switch_is_told(look: Looker) -> None:
    def windows() -> list[str]:
        return sorted(str(cadence_of(snapshot)) for snapshot in look.warehouse.snapshots())

    done = image_builders("snapshot", IMAGE_BUILDERS_CADENCE="hourly")
    assert (done.returncode, done.stderr, windows()) == (0, "", ["hourly"])
    done = image_builders("snapshot")
    assert (done.returncode, done.stderr, windows()) == (0, "", ["hourly"])
    done = image_builders("snapshot", IMAGE_BUILDERS_CADENCE="daily")
    assert done.returncode == 0
    assert "Windows were hourly until now, and this one is daily" in done.stderr
    assert windows() == ["daily", "hourly"]


@pytest.mark.slow
@pytest.mark.parametrize("narrowed", [("--name", "a"), ("--max-items", "1")])
def test_a_narrowed_look_goes_into_no_window_that_is_older_than_another(narrowed: Sequence[str], look: Looker) -> None:
    if datetime.now(UTC).hour == 0:
        pytest.skip("in the first hour of a day, the window of the hour is not later than that of the day")
    assert image_builders("snapshot", IMAGE_BUILDERS_CADENCE="hourly").returncode == 0
    failed(
        image_builders("snapshot", *narrowed, IMAGE_BUILDERS_CADENCE="daily"),
        2,
        "A look at some image builders belongs in the newest window, and .* set it to hourly",
    )
    assert image_builders("snapshot", *narrowed).returncode == 0


@pytest.mark.slow
def test_the_options_are_the_paginators_parameters(look: Looker) -> None:
    done = image_builders("snapshot", "--name", "a", "--name", "b", "--page-size", "1", "--max-items", "1")
    assert done.returncode == 0
    assert look.sandbox.appstream.calls[-1].parameters == {"Names": ["a", "b"], "MaxResults": 1}
    token = done.stdout.splitlines()[2].split()[-1]
    done = image_builders("snapshot", "--name", "a", "--name", "b", "--starting-token", token)
    assert done.returncode == 0
    told = image_builders("query", "select name from image_builders order by name", "--format", "csv")
    assert told.stdout.split() == ["name", "a", "b"]


def test_an_expired_token_commits_nothing_where_it_hides_whose_account_it_is(look: Looker) -> None:
    # STS of the sandbox answers anyone; one that refuses is a server that answers as AWS does.
    refusal = (
        "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included "
        "in the request is expired</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
    with Answering(403, refusal) as url:
        failed(
            image_builders("snapshot", AWS_ENDPOINT_URL_STS=url),
            1,
            r"AWS STS does not say whose credentials these are \(ExpiredToken: .*is expired\): sign in again",
        )
    assert look.warehouse.snapshots() == []


def test_an_expired_token_is_a_row_where_the_account_is_known(look: Looker) -> None:
    look.sandbox.appstream.faults.append(Fault("expire"))
    done = image_builders("snapshot", AWS_ACCOUNT_ID=ACCOUNT)
    assert done.returncode == 3
    assert re.search(r"credentials +false +0 +0 +The security token included in the request is expired", done.stdout)


class Answering:
    """A server on loopback that gives everyone the same answer."""

    def __init__(self, status: int, body: str) -> None:
        import threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_something_that_is_not_sts_is_told(look: Looker) -> None:
    estate_of(look).clear()
    with Answering(200, "<html>hello") as url:
        failed(
            image_builders("snapshot", AWS_ENDPOINT_URL_STS=url), 1, "AWS STS does not say .*AWS_ACCOUNT_ID can say it"
        )


def test_no_credentials(look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    failed(image_builders("snapshot"), 2, "AWS credentials are missing .* set AWS_PROFILE")


def test_a_profile_that_does_not_exist(look: Looker) -> None:
    failed(image_builders("snapshot", AWS_PROFILE="nobody"), 2, "nobody.* set AWS_PROFILE")


def test_a_region_that_does_not_exist(look: Looker, tmp_path: Path) -> None:
    failed(image_builders("snapshot", "--region", "us-eastt-1"), 2, "AWS has no region 'us-eastt-1', .* is us-east-1")


def test_a_targets_file_that_is_wrong(look: Looker, tmp_path: Path) -> None:
    (tmp_path / "targets.yaml").write_text("regoins: [us-east-1]\n")
    failed(image_builders("snapshot"), 2, "targets.yaml: regoins: there is no such key; did you mean regions?")


@pytest.mark.parametrize("option", ["--page-size", "--max-items"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_that_cannot_be(option: str, value: str) -> None:
    done = image_builders("snapshot", option, value)
    assert done.returncode == 2
    assert f"Invalid value for '{option}'" in done.stderr


def test_a_starting_token_for_two_targets(look: Looker) -> None:
    done = image_builders("snapshot", "--region", "us-east-1", "--region", "eu-west-1", "--starting-token", "t")
    failed(done, 2, "A starting token belongs to one account and region, and 2 are asked for: give --region once")


def test_a_cadence_that_does_not_exist(look: Looker) -> None:
    failed(image_builders("snapshot", IMAGE_BUILDERS_CADENCE="weekly"), 2, "IMAGE_BUILDERS_CADENCE is 'weekly'")


@pytest.mark.parametrize("command", [("snapshot",), ("query", "select 1"), ("demo",)])
def test_a_warehouse_that_is_no_folder(command: tuple[str, ...], look: Looker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = image_builders(*command, IMAGE_BUILDERS_WAREHOUSE="file")
    failed(done, 1, "The warehouse .*/file (cannot be written|holds no snapshot)")


def test_a_place_that_is_no_warehouse(look: Looker) -> None:
    failed(image_builders("snapshot", IMAGE_BUILDERS_WAREHOUSE="gs://x"), 2, "neither a folder nor an s3:// URI")


def test_no_snapshot_yet() -> None:
    failed(image_builders("query", "select 1"), 1, "holds no snapshot yet: run `image-builders snapshot` first")


def test_wrong_sql(look: Looker) -> None:
    look.publish()
    failed(image_builders("query", "selct 1"), 2, "Parser Error: syntax error at or near .selct.")
    failed(image_builders("query", "select * from builders"), 2, "Table with name builders does not exist")


def test_answers_as_a_table_to_read(look: Looker) -> None:
    look.publish("us-east-1", "eu-west-1")
    query = "select name, state, 1.5 as n, null as nothing, created_time from image_builders order by name"
    assert image_builders("query", query).stdout.splitlines() == [
        "name  state      n  nothing  created_time",
        "─────────────────────────────────────────",
        "a     RUNNING  1.5  NULL     NULL",
        "b     STOPPED  1.5  NULL     NULL",
        "c     RUNNING  1.5  NULL     NULL",
        "(3 rows)",
    ]


def test_answers_as_csv_and_json(look: Looker) -> None:
    look.sandbox.clock.set(datetime(2026, 11, 23, 12, tzinfo=UTC))
    look.publish()
    query = "select account_id, description, observed_at, is_imdsv1_disabled from image_builders order by name"
    told = image_builders("query", query, "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(told))) == [
        ["account_id", "description", "observed_at", "is_imdsv1_disabled"],
        [ACCOUNT, '=1+1, "quoted"', "2026-11-23T12:00:00+00:00", ""],
        [ACCOUNT, "", "2026-11-23T12:00:00+00:00", ""],
    ]
    assert json.loads(image_builders("query", query, "--format", "json").stdout)[0] == {
        "account_id": ACCOUNT,
        "description": '=1+1, "quoted"',
        "observed_at": "2026-11-23T12:00:00+00:00",
        "is_imdsv1_disabled": None,
    }


def test_show_tables_lists_the_views(look: Looker) -> None:
    look.publish()
    listed = image_builders("query", "show tables", "--format", "csv").stdout.split()
    assert {"coverage", "snapshots", "image_builders", "image_builders_current", "extracts"} <= set(listed)


def test_a_query_cannot_change_the_warehouse(look: Looker) -> None:
    look.publish()
    image_builders("snapshot")
    done = image_builders("query", "drop view coverage")
    assert done.returncode == 2
    assert "A question only reads" in done.stderr


def test_a_token_of_markup_is_printed_as_it_is() -> None:
    import pyarrow as pa

    assert "[red]x[/red]" in fitting.as_text(pa.table({"[b]": ["[red]x[/red]"]}))
    assert fitting.as_text(pa.table({})) == "Done."


@pytest.mark.slow
def test_the_sandbox_prints_the_environment_to_use_it_and_stops_when_told(tmp_path: Path) -> None:
    with subprocess.Popen([COMMAND, "sandbox"], stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout
        lines = [served.stdout.readline() for _ in range(9)]
        assert lines[0].startswith("unset AWS_PROFILE ")
        environ = dict(re.findall(r"^export (\w+)=(.*)$", "".join(lines), re.MULTILINE))
        with urllib.request.urlopen(environ["AWS_ENDPOINT_URL"] + "/_sandbox") as reply:
            assert json.load(reply)["faults"] == []
        done = image_builders_process("snapshot", **environ)
        served.send_signal(signal.SIGTERM)
    assert served.returncode == 0
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_sandbox_stands_beside_a_command_while_it_runs() -> None:
    done = image_builders_process("sandbox", "--", str(COMMAND), "snapshot")
    assert done.returncode == 0, done.stderr
    assert "Committed snapshot" in done.stdout
    assert image_builders_process("sandbox", "--", "false").returncode == 1
    failed(image_builders_process("sandbox", "--", "no-such-command"), 2, "The command no-such-command cannot be run")


@pytest.mark.slow
def test_what_stops_the_sandbox_stops_the_command_beside_it_in_good_order() -> None:
    script = (
        "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    raise SystemExit(7)"
    )
    command = [str(COMMAND), "sandbox", "--", sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout
        assert served.stdout.readline() == "up\n"
        served.send_signal(signal.SIGTERM)
        assert served.wait(20) == 7


def count_of_snapshots() -> int:
    told = image_builders("query", "select count(*) as n from snapshots", "--format", "json")
    (row,) = json.loads(told.stdout)
    return int(row["n"])


@pytest.mark.slow
def test_the_demo_is_the_whole_job_begins_anew_and_leaves_real_snapshots_alone(look: Looker, tmp_path: Path) -> None:
    done = image_builders_process("demo", "--days", "4")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    days = re.findall(r"^  (\S+)  (\d) of 3 targets seen, (\d+) builders", done.stdout, re.MULTILINE)
    today = datetime.now(UTC).date()
    assert [d[0] for d in days] == [str(today - timedelta(days=n)) for n in range(3, -1, -1)]
    assert [d[1] for d in days] == ["2", "3", "3", "3"]
    assert "1 call tried again" in done.stdout
    assert done.stdout.count("rows)") + done.stdout.count("(1 row)") == 5, "every question has its answer"
    assert "What is there now" in done.stdout
    assert (tmp_path / "warehouse" / "report.html").exists()
    assert count_of_snapshots() == 4
    # Again, it begins anew; a proxy and a profile of the user's do not come between it and the sandbox.
    done = image_builders("demo", "--days", "1", HTTP_PROXY="http://127.0.0.1:1", AWS_PROFILE="nobody")
    assert (done.returncode, done.stderr) == (0, "")
    assert count_of_snapshots() == 1
    # The warehouse is the demo's no more once it holds another account's snapshot.
    window = Window.at("daily", datetime.now(UTC) - timedelta(days=3))
    extracted = look.extract()
    extracted.rows[0]["account_id"] = "111122223333"
    look.warehouse.publish(window, [extracted])
    failed(image_builders("demo", "--days", "1"), 2, "holds snapshots that are not the demo's")
    assert len(look.warehouse.snapshots()) == 2


def test_columns_of_the_same_name_are_told_apart(look: Looker) -> None:
    look.publish()
    for form, expected in (("csv", "a,b,a_1\n1,2,3\n"), ("json", '[\n {\n  "a": 1,\n  "b": 2,\n  "a_1": 3\n }\n]\n')):
        done = image_builders("query", "select 1 as a, 2 as b, 3 as a", "--format", form)
        assert done.stdout.replace("\r\n", "\n") == expected
    done = image_builders("query", "select * from (select 1 as a), (select 2 as a)")
    assert done.stdout.splitlines()[2].split() == ["1", "2"]


def test_what_fails_after_the_commit_is_told_and_the_snapshot_stays(look: Looker, tmp_path: Path) -> None:
    (tmp_path / "warehouse" / "image_builders.duckdb").mkdir(parents=True)
    done = image_builders("snapshot")
    assert done.returncode == 0
    assert re.fullmatch(r"The snapshot is committed, but then: The views .* cannot be written: .*\.\n", done.stderr)
    assert len(look.warehouse.snapshots()) == 1
    assert image_builders("query", "select count(*) from image_builders_current", "--format", "csv").stdout.split() == [
        "count_star()",
        "2",
    ]


def test_a_file_of_views_that_is_none_is_done_without(look: Looker, tmp_path: Path) -> None:
    look.publish()
    (tmp_path / "warehouse" / "image_builders.duckdb").write_text("not a database")
    assert image_builders("query", "select 1 as n", "--format", "csv").stdout.split() == ["n", "1"]


def test_an_instance_that_cannot_be_written(look: Looker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    failed(image_builders("snapshot", DAGSTER_HOME=str(tmp_path / "file")), 2, "set DAGSTER_HOME to a folder that can")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_within_seconds_and_leaves_the_warehouse_as_it_was(
    how: signal.Signals, look: Looker
) -> None:
    assert image_builders("snapshot").returncode == 0
    before = {p: p.read_bytes() for p in Path(look.warehouse.location).rglob("*.parquet")}
    # AWS takes longer to answer than anyone waits.
    look.sandbox.appstream.faults.append(Fault("latency", value=20))
    with subprocess.Popen([COMMAND, "snapshot"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while not look.sandbox.appstream.faults[0].struck:
            time.sleep(0.05)
        run.send_signal(how)
        assert run.wait(10) == 130
        assert run.stderr
        assert run.stderr.read() == "image-builders: Interrupted; nothing was committed.\n"
    assert {p: p.read_bytes() for p in Path(look.warehouse.location).rglob("*.parquet")} == before


def test_views_and_saved_questions_are_listed_described_and_asked(look: Looker) -> None:
    look.publish()
    Path("questions").mkdir()
    Path("questions/how-many.sql").write_text("-- How many are there?\nselect count(*) as n from image_builders;\n")
    listed = image_builders("query", "--list", "--format", "json")
    told = {row["name"]: row["what it tells"] for row in json.loads(listed.stdout)}
    assert told["image_builders_as_of(moment)"].startswith("The image builders as they were at a moment")
    assert told["findings"].startswith("What to look into")
    assert told["@how-many"] == "How many are there?"
    assert "@running-all-week" in told
    described = image_builders("query", "--describe", "findings")
    assert described.stdout.startswith("findings: What to look into: every image builder as it is now")
    assert "Grain: one row per image builder and rule." in described.stdout
    assert re.search(r"^status +varchar +pass, fail, unknown, or excepted", described.stdout, re.MULTILINE)
    asked = image_builders("query", "@how-many", "--format", "csv")
    assert asked.stdout == "n\n2\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["@how-mny"], "There is no saved question @how-mny"),
        (["--describe", "finding"], "There is no view finding; did you mean findings?"),
        ([], "Give one of: SQL, @NAME of a saved question, FILE.sql, -, --list, --describe VIEW."),
        (["-"], "There is no SQL in standard input."),
        (["nothing.sql"], "nothing.sql cannot be read: No such file or directory."),
        (["select 1", "--all"], "--all goes with --list."),
        (["select 1", "--list"], "Give one of: SQL"),
    ],
)
def test_a_question_that_cannot_be_is_one_sentence(
    arguments: list[str], said: str, look: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    look.publish()
    done = image_builders("query", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_list_needs_no_warehouse() -> None:
    assert "running_cost" in image_builders("query", "--list").stdout


def test_prices_are_asked_for_and_kept(look: Looker) -> None:
    look.publish()
    done = image_builders("prices")
    assert (done.returncode, done.stderr) == (0, "")
    kept = re.match(rf"Kept (\d+) prices in {look.warehouse.location}\n", done.stdout)
    assert kept
    told = image_builders("query", "select count(*) as n from prices", "--format", "json")
    assert json.loads(told.stdout) == [{"n": int(kept[1])}]
    look.sandbox.services.refused = {"GetProducts"}
    failed(image_builders("prices"), 1, "AWS does not tell its prices .AccessDeniedException")


def test_the_views_are_told_in_the_sql_of_another_engine(look: Looker) -> None:
    failed(image_builders("sql", "--dialect", "spark"), 1, "holds no snapshot yet")
    look.publish()
    done = image_builders("sql", "--dialect", "trino")
    assert done.returncode == 0
    assert "create or replace view running_cost as" in done.stdout


def test_control_characters_steer_no_terminal() -> None:
    import pyarrow as pa

    assert "a\\nb\\x1b[2J" in fitting.as_text(pa.table({"x": ["a\nb\x1b[2J"]}))


def test_the_demo_leaves_a_warehouse_alone_that_is_not_its_own(look: Looker) -> None:
    published = look.publish()
    failed(image_builders("demo"), 2, "holds snapshots that are not the demo's: set IMAGE_BUILDERS_WAREHOUSE")
    assert look.warehouse.snapshots() == [published.snapshot_id]


def test_every_command_and_option_is_explained() -> None:
    context = click.Context(main)
    assert set(main.list_commands(context)) == {
        "demo",
        "doctor",
        "export",
        "forget",
        "open",
        "prices",
        "query",
        "report",
        "sandbox",
        "snapshot",
        "sql",
        "targets",
    }
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command
        assert command.help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"


def test_help_is_told_at_once_and_names_every_setting() -> None:
    done = image_builders_process("--help")
    assert done.returncode == 0
    assert {name for name, _, _ in described() if name not in done.stdout} == set()
    assert "DAGSTER_HOME" in done.stdout
    assert "Exit codes" in image_builders("snapshot", "--help").stdout


def test_a_run_that_fails_for_targets_not_seen_has_its_views_and_says_so_once(look: Looker) -> None:
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-west-1"))
    done = image_builders(
        *("snapshot", "--region", "us-east-1", "--region", "eu-west-1"), IMAGE_BUILDERS_FAIL_UNSEEN="any"
    )
    assert (done.returncode, done.stderr) == (3, "1 of 2 targets were not seen.\n")
    assert (Path(look.warehouse.location) / DATABASE).exists()


def test_a_snapshot_that_was_replaced_before_it_is_printed_tells_what_it_saw(
    look: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.defs import runs

    run = runs.run

    def run_and_be_overtaken(*arguments: Any, **options: Any) -> runs.Outcome:
        outcome = run(*arguments, **options)
        look.publish("us-east-1")
        return outcome

    monkeypatch.setattr(runs, "run", run_and_be_overtaken)
    done = image_builders("snapshot", "--region", "us-east-1")
    assert done.returncode == 0, done.stderr
    assert "us-east-1" in done.stdout
    assert "(0 rows)" not in done.stdout
    assert "a later run of its window has replaced it since" in done.stdout


@pytest.mark.slow
def test_in_a_terminal_a_bar_tells_how_far_it_is(look: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "25")
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-west-1"))
    leader, follower = pty.openpty()
    command = [str(COMMAND), "snapshot", "--page-size", "1", "--region", "us-east-1", "--region", "eu-west-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower) as run:
        os.close(follower)
        said = b""
        while chunk := read(leader):
            said += chunk
    os.close(leader)
    told = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", said)
    assert re.search(rb"2/2 targets, 2 image builders, 1 not seen 0:00:\d\d", told), told
    assert told.rstrip().endswith(b"1 of 2 targets were not seen."), "and the bar leaves nothing behind"
    assert run.returncode == 3


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # The other end is closed.
        return b""


def test_the_doctor_tells_of_each_target_as_whom_and_whether(look: Looker) -> None:
    write_targets(
        regions=["us-east-1", "eu-west-1"],
        accounts=[{"id": ACCOUNT}, {"id": "111122223333", "name": "golden", "role": role_arn("111122223333")}],
    )
    done = image_builders("doctor", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert {(r["account_id"], r["region"], r["status"]) for r in json.loads(done.stdout)} == {
        (a, r, "ok") for a in (ACCOUNT, "111122223333") for r in ("us-east-1", "eu-west-1")
    }
    assert json.loads(done.stdout)[-1]["identity"] == "arn:aws:sts::111122223333:assumed-role/reader/image-builders"
    look.sandbox.front.roles = {}
    look.sandbox.appstream.faults.append(Fault("deny", region="eu-*"))
    done = image_builders("doctor", "--format", "json")
    assert (done.returncode, done.stderr) == (3, "3 of 4 targets cannot be looked at.\n")
    told = [(r["account_name"], r["region"], r["identity"] is None, r["status"]) for r in json.loads(done.stdout)]
    assert told == [
        (None, "us-east-1", False, "ok"),
        (None, "eu-west-1", False, "denied"),
        ("golden", "us-east-1", True, "denied"),
        ("golden", "eu-west-1", True, "denied"),
    ]
    assert not Path(look.warehouse.location).exists() or not look.warehouse.snapshots()


def test_targets_lists_what_would_be_looked_at_and_asks_nobody_for_builders(look: Looker) -> None:
    write_targets(regions=["us-east-1"], accounts=[{"id": "111122223333", "role": role_arn("111122223333")}])
    done = image_builders("targets", "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(csv.reader(io.StringIO(done.stdout))) == [
        ["account_id", "account_name", "region", "partition", "role"],
        ["111122223333", "", "us-east-1", "aws", role_arn("111122223333")],
    ]
    assert not look.sandbox.appstream.calls


def test_the_doctor_looks_at_a_warehouse_on_s3(look: Looker) -> None:
    make_bucket(look.sandbox)
    location = f"s3://{BUCKET}/wh"
    done = image_builders("doctor", IMAGE_BUILDERS_WAREHOUSE=location)
    assert done.returncode == 0
    assert f"The warehouse {location} can be listed and written, and its store heeds conditional puts." in done.stderr
    assert "Its bucket has no lifecycle rule that aborts unfinished uploads" in done.stderr
    rule = {
        "ID": "uploads",
        "Status": "Enabled",
        "Filter": {},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    boto3.client("s3").put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    assert "lifecycle" not in image_builders("doctor", IMAGE_BUILDERS_WAREHOUSE=location).stderr
    assert image_builders("doctor", IMAGE_BUILDERS_WAREHOUSE="s3://gone/wh").returncode == 1
    assert "warehouse" not in image_builders("doctor").stderr


@pytest.mark.parametrize(
    ("location", "exit_code", "sentence"),
    [
        ("s3://gone/wh", 1, "there is no bucket gone"),
        ("s3://", 2, "names no bucket"),
        ("S3://", 2, "small letters"),
        (f"s3://{BUCKET}/p#x", 2, "has a . or a # in it"),
        (f"s3://{BUCKET}/p?x", 2, "has a . or a # in it"),
    ],
)
def test_a_place_where_no_warehouse_can_be_is_told_before_the_sweep(
    location: str, exit_code: int, sentence: str, look: Looker
) -> None:
    make_bucket(look.sandbox)
    for command in (["snapshot"], ["query", "select 1"]):
        failed(image_builders(*command, IMAGE_BUILDERS_WAREHOUSE=location), exit_code, sentence)
    assert look.sandbox.appstream.calls == []


@pytest.mark.slow
def test_requests_to_s3_are_few_however_old_the_warehouse_is(look: Looker, tmp_path: Path) -> None:
    """After 60 days: questions, and the whole command with what it writes. Other ages are in the benchmarks."""
    store = make_bucket(look.sandbox)
    now = datetime.now(UTC)
    asked: dict[int, dict[str, int]] = {}
    for days in (60,):
        grown = Warehouse(str(tmp_path / f"of-{days}"), grace=0.0)
        grow(grown, now - timedelta(days=days), now - timedelta(days=1))
        location = f"s3://{BUCKET}/of-{days}"
        for path in Path(grown.location).rglob("*.parquet"):
            boto3.client("s3").upload_file(str(path), BUCKET, f"of-{days}/{path.relative_to(grown.location)}")
        asked[days] = {}
        for what, command in {
            "current": ["query", "from image_builders_current"],
            "findings": ["query", "from findings"],
            "first fold": ["snapshot"],  # Of all 60 days at once, of each a file a table.
            "snapshot": ["snapshot"],
        }.items():
            s3_reads._kept = s3_reads._Kept()  # Each as a process of its own.
            store.reset()
            done = image_builders(*command, IMAGE_BUILDERS_WAREHOUSE=location)
            assert done.returncode == 0, done.stderr
            asked[days][what] = len(store.requests)
        assert "Committed snapshot" in done.stdout
    for of_days in asked.values():
        assert of_days["current"] <= 60
        assert of_days["findings"] <= 150
        assert of_days["first fold"] <= 400
        assert of_days["snapshot"] <= 200
    print(asked)


def test_a_question_takes_parameters_on_the_command_line(look: Looker) -> None:
    look.publish()
    done = image_builders("query", "@one-builder", "name=nobody", "--format", "csv")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    failed(image_builders("query", "@one-builder", "nam=x"), 2, "There is no parameter nam; @one-builder takes name")
    assert "Takes name=blender-03" in image_builders("query", "--list", "--format", "csv").stdout
