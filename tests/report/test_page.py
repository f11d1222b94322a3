"""The report in a real browser: it opens without errors or requests, tells what SQL tells, sorts, prints, and fits."""

import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pipeline import views
from pipeline.report import page as report
from pipeline.report import queries
from pipeline.warehouse import Warehouse
from tests.support import Looker, builder, settings_of
from tests.support.command import image_builders

# Playwright's own event loop.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "Chromium is missing: `make test` installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(week: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.render(week))
    return path


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a context of its own; whatever it complains of or asks the network for fails the test."""
    contexts = []
    trouble: list[str] = []

    def opened(path: Path, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: trouble.extend(outside(request.url)))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


def outside(url: str) -> list[str]:
    """The URL, if it is one of a network."""
    return [] if url.startswith(("file:", "data:")) else [url]


def figures(page: Page) -> dict[str, str]:
    return {f.get_attribute("data-figure"): f.inner_text() for f in page.query_selector_all("[data-figure]")}


def column(page: Page, sheet: str, name: str) -> list[str]:
    place = page.locator(f"table[data-sheet={sheet}] th").evaluate_all(
        "(heads, name) => heads.findIndex(h => h.dataset.column === name)", name
    )
    cells = page.locator(f"table[data-sheet={sheet}] tbody tr td:nth-child({place + 1})")
    texts: list[str] = cells.all_inner_texts()
    return texts


def test_its_figures_are_those_of_sql(file: Path, week: Warehouse, open_page: Callable[..., Page]) -> None:
    page = open_page(file)
    with views.connect(week) as connection:
        f, c = queries.ask_one(connection, "figures"), queries.ask_one(connection, "cost")
    assert f["builders"] > 20
    assert figures(page) == {
        "builders": str(f["builders"]),
        "running": str(f["running"]),
        "failing": str(f["failing"]),
        "unknown": str(f["unknown"]),
        "cost": f"${c['usd_estimate']:,.2f}",
        "hours": f"{c['hours_estimate']:,.0f}",
        "targets": "3 of 3",
    }
    independent = "select count(*) as n from findings where status = 'fail'"
    assert figures(page)["failing"] == str(views.query(week, independent)["n"][0])


@pytest.mark.parametrize("sheet", queries.SHEETS)
def test_its_tables_are_those_of_sql(sheet: str, file: Path, week: Warehouse, open_page: Callable[..., Page]) -> None:
    page = open_page(file)
    _, _, sql = queries._file(sheet)
    answer = views.query(week, sql, parameters=queries._parameters(sheet))
    if sheet == "excepted":
        assert answer.num_rows == 0
        assert (
            page.locator("section", has_text="Findings that are accepted for now").locator("p").last.inner_text()
            == "None."
        )
        return
    table = page.locator(f"table[data-sheet={sheet}]")
    assert table.get_attribute("data-total") == str(answer.num_rows)
    assert answer.num_rows > 0
    told = {name: answer[name].to_pylist() for name in answer.column_names}
    shown = [name for name in told if any(value is not None for value in told[name])]  # Else it is no column.
    assert [head.get_attribute("data-column") for head in table.locator("th").all()] == shown
    for name in shown:
        assert column(page, sheet, name) == [report._cell(value, name) for value in told[name]], name


def test_numbers_stand_below_their_heading_and_dollars_have_cents(file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(file)
    for head in page.locator("table[data-sheet=estate] th").all():
        name = head.get_attribute("data-column") or ""
        assert (head.get_attribute("class") == "number") is name.startswith("running_hours"), name
    amounts = column(page, "cost_by_owner", "usd_low")
    assert amounts
    assert all(re.fullmatch(r"[\d,]+\.\d\d", amount) for amount in amounts)


def test_on_a_phone_a_finding_and_whose_it_is_are_seen_at_once(file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(file, viewport={"width": 390, "height": 844})
    row = page.locator("table[data-sheet=findings] tbody tr").first
    for place in range(3):
        box = row.locator("td").nth(place).bounding_box()
        assert box
        assert box["x"] + box["width"] <= 390


def test_its_cost_is_that_of_instances_and_volumes(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a", InstanceType="x", Platform="RHEL8", RootVolumeConfig={"VolumeSizeInGb": 930}))
    Path("prices.csv").write_text("instance_type,usd\nx,1\nroot-volume,0.5\n")
    look.publish()
    look.sandbox.clock.advance(timedelta(hours=24))
    look.publish()
    assert ">$36.00<" in report.render(look.warehouse, views.Settings.read(settings_of())), (
        "24 hours at $1, and 730 GB for a thirtieth or so"
    )


def test_what_is_accepted_is_told_with_its_reason(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a", IamRoleArn="arn:r"))
    Path("findings.yaml").write_text(
        "exceptions: [{rule: iam_role_attached, name: a, reason: it fetches licences, until: 2999-12-31}]\n"
    )
    look.publish()
    page = report.render(look.warehouse, views.Settings.read(settings_of()))
    assert 'data-sheet="excepted" data-total="1"' in page
    assert ">it fetches licences<" in page
    assert ">2999-12-31<" in page


def test_its_tables_sort_up_and_down_with_what_is_empty_last(file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(file)
    heading = page.locator("table[data-sheet=cost_by_owner] th[data-column=usd_high] button")
    heading.click()
    amounts = [float(v.replace(",", "")) for v in column(page, "cost_by_owner", "usd_high")]
    assert amounts == sorted(amounts)
    heading.click()
    amounts = [float(v.replace(",", "")) for v in column(page, "cost_by_owner", "usd_high")]
    assert amounts == sorted(amounts, reverse=True)
    assert heading.locator("..").get_attribute("aria-sort") == "descending"
    page.locator("table[data-sheet=findings] th[data-column=severity] button").press("Enter")
    assert column(page, "findings", "severity")[0] == "low"
    page.locator("table[data-sheet=estate] th[data-column=owner] button").click()
    owners = column(page, "estate", "owner")
    named = [owner for owner in owners if owner]
    assert named == sorted(named)
    assert 0 < len(named) < len(owners)
    assert owners[len(named) :] == [""] * (len(owners) - len(named))


def test_it_fits_a_phone(file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(file, viewport={"width": 360, "height": 740}, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("figure .narrow svg").first.is_visible()
    assert not page.locator("figure .wide svg").first.is_visible()
    sizes = page.locator("figure .narrow svg text").evaluate_all("ts => ts.map(t => t.getBoundingClientRect().height)")
    assert min(size for size in sizes if size) > 9


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_light_and_dark_both_have_contrast(
    scheme: str, is_dark: bool, file: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page(file, color_scheme=scheme)
    paper, ink = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    label = page.locator("figure .wide svg text").first.evaluate("t => getComputedStyle(t).fill")
    assert (luminance(paper) < 0.2) is is_dark
    for colour in (ink, label):
        assert contrast(paper, colour) > 7, "WCAG 2, level AAA"


def test_printed_it_is_on_white_and_whole(file: Path, open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page(file, color_scheme="dark")
    page.emulate_media(media="print")
    assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.9
    assert page.locator(".scroll").first.evaluate("e => getComputedStyle(e).maxHeight") == "none"
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_nothing_that_aws_says_becomes_markup(looker: Callable[..., Looker], open_page: Callable[..., Page]) -> None:
    evil = "<img src=x onerror=console.log(1)>&\"'</script>"
    look = looker(builder("a", Description=evil, State=evil, InstanceType=evil))
    look.publish()
    path = Path("report.html")
    path.write_text(report.render(look.warehouse))
    page = open_page(path.absolute())
    assert column(page, "estate", "state") == [evil]
    assert page.locator("img").count() == 0


def test_an_estate_without_anything_is_a_report_too(
    looker: Callable[..., Looker], open_page: Callable[..., Page]
) -> None:
    look = looker()
    look.publish()
    path = Path("report.html")
    path.write_text(report.render(look.warehouse))
    assert figures(open_page(path.absolute()))["cost"] == "not known"


def test_the_command_writes_it(looker: Callable[..., Looker]) -> None:
    looker(builder("a")).publish()
    done = image_builders("report")
    assert (done.returncode, done.stdout) == (0, "Wrote report.html\n"), done.stderr
    to_stdout = image_builders("report", "-o", "-")
    assert to_stdout.stdout.rstrip() == Path("report.html").read_text().rstrip()
    done = image_builders("report", "-o", "no/such/folder")
    assert done.returncode == 2
    assert done.stderr == "image-builders: no/such/folder cannot be written: No such file or directory.\n"


def test_a_warehouse_that_is_broken_is_one_sentence(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a"))
    look.publish()
    for path in Path(look.warehouse.location).glob("image_builder_tags/*/*.parquet"):
        path.write_bytes(b"PAR1 and then nothing")
    done = image_builders("report")
    assert done.returncode == 1
    assert re.match(r"image-builders: The warehouse .+ cannot be read: .+\.$", done.stderr.splitlines()[0])
    assert "Traceback" not in done.stderr


def test_before_the_first_snapshot_it_says_so() -> None:
    done = image_builders("report")
    assert done.returncode == 1
    assert "holds no snapshot yet" in done.stderr


def test_a_server_may_hand_it_out(file: Path, browser: Browser) -> None:
    """From a bucket or a web server it is the same page, and still asks for nothing else."""
    handler = partial(_Quiet, directory=str(file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked: list[str] = []
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{server.server_port}/report.html")
        assert [url for url in asked if not url.startswith("data:")] == [page.url]
        page.close()
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""
