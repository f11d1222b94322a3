"""Every text that AWS tells is hostile, and every medium shows it: nothing of it is live in any of them."""

import csv
import html.parser
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline import contract, report, views
from pipeline.report.alerts import Destination, current_alerts, post
from pipeline.report.markdown import to_markdown
from pipeline.sandbox.faults import Fault, error
from pipeline.warehouse import Warehouse
from tests.report.test_alerts import Receiver, receivers
from tests.support import Looker, builder
from tests.support.command import image_builders
from tests.test_shown import GITHUB, HOSTILE

__all__ = ["receivers"]


def filled(kind: pa.DataType, name: str = "") -> Any:
    """A value of a type of the contract, every text in it hostile."""
    if pa.types.is_struct(kind):
        return {field.name: filled(field.type, field.name) for field in kind}
    if pa.types.is_list(kind):
        return [filled(kind.value_type)]
    if pa.types.is_string(kind):
        return HOSTILE + name
    if pa.types.is_boolean(kind):
        return False
    return 1_700_000_000 if pa.types.is_floating(kind) else 300


@pytest.fixture
def home(looker: Callable[..., Looker]) -> Warehouse:
    """A warehouse of one hostile image builder, and of a target that failed with a hostile error."""
    hostile = filled(contract.BUILDER)
    hostile["Arn"] = builder("x")["Arn"] + HOSTILE
    look = looker(us_east_1=[hostile], eu_west_1=[])
    refused = json.loads(error(400, "AccessDeniedException", HOSTILE).body)
    look.sandbox.appstream.faults.append(Fault("error_body", region="eu-*", value=(400, json.dumps(refused).encode())))
    look.publish("us-east-1", "eu-west-1")
    return look.warehouse


def ask(home: Warehouse, *arguments: str) -> str:
    done = image_builders("query", *arguments, IMAGE_BUILDERS_WAREHOUSE=home.location)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


VIEWS = [view.name for view in views.all_views() if not view.parameters and not view.is_helper]


@pytest.mark.parametrize(
    "name", ["image_builders_current", "image_builder_history", "findings", "error_log", "extracts"]
)
def test_in_a_terminal_as_json_and_in_a_spreadsheet(name: str, home: Warehouse) -> None:
    for form in ("table", "json", "markdown"):
        assert is_harmless(ask(home, f"from {name}", "--format", form)), form
    told = json.loads(ask(home, f"from {name}", "--format", "json"))
    exact = views.query(home, f"from {name}").to_pylist()
    assert [[v for v in row.values() if isinstance(v, str) and "evil" in v] for row in told] == [
        [v for v in row.values() if isinstance(v, str) and "evil" in v] for row in exact
    ], "JSON loses nothing"
    sheet = ask(home, f"from {name}", "--excel")
    assert sheet.startswith("\ufeff")
    assert is_harmless(sheet.removeprefix("\ufeff"))
    rows = list(csv.reader(io.StringIO(sheet.removeprefix("\ufeff"))))
    assert len(rows) == len(exact) + 1
    for cell in (cell for row in rows for cell in row):
        assert not cell.lstrip().startswith(("=", "+", "@")) or re.fullmatch(r'="\d+"', cell), cell


def test_in_the_report(home: Warehouse) -> None:
    page = report.render(home)
    assert is_harmless(page.replace("\t", ""))

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            names = {name for name, _ in attributes}
            assert tag not in ("img", "image", "iframe", "object", "embed", "use"), tag
            assert not [name for name in names if name.startswith("on")], attributes
            for name, value in attributes:
                if name in ("href", "src", "xlink:href"):
                    assert re.match(r"#|data:,|https://docs\.aws\.amazon\.com/", value or ""), value

    Reader().feed(page)
    assert "host.example" in page


def test_in_what_dagster_shows(home: Warehouse) -> None:
    for view in VIEWS:
        shown = to_markdown(views.query(home, f"from {view} limit 10").to_pylist())
        assert is_harmless(shown)
        for token in GITHUB.parse(shown):
            for child in token.children or []:
                assert child.type in ("text", "code_inline", "text_special"), (view, child)


def test_in_alerts(home: Warehouse, receivers: dict[str, Receiver]) -> None:
    wrong = current_alerts(home)
    assert len(wrong) > 2
    for kind, name in (("slack", "slack"), ("webhook", "hook")):
        post(Destination(kind, receivers[name].url), wrong, "1")
        (told,) = receivers[name].got
        assert is_harmless(told["text"])
        assert not re.search(r"https?://|www\.|\]\(|<", told["text"]), told["text"]
