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
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from pipeline import views
from pipeline.report import page as report
from pipeline.report import queries
from pipeline.report.colours import STATE_COLOURS
from pipeline.views import questions
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
    rate = "select sum(coalesce(usd_per_hour, 0) + coalesce(volume_usd_per_hour, 0)) as usd from burn_rate"
    saved = views.query(week, queries._file("savings")[2])["usd_per_month"].to_pylist()
    assert f["builders"] > 20
    assert 0 < len(saved) <= 3
    assert figures(page) == {
        "builders": str(f["builders"]),
        "running": str(f["running"]),
        "month": f"${730 * views.query(week, rate)['usd'][0].as_py():,.0f}",
        "cost": f"${c['usd_estimate']:,.0f}",
        "saved": f"${sum(saved):,.0f}",
        "failing": str(f["failing"]),
        "unknown": str(f["unknown"]),
        "hours": f"{c['hours_estimate']:,.0f}",
        "targets": "3 of 3",
    }
    independent = "select count(*) as n from findings where status = 'fail'"
    assert figures(page)["failing"] == str(views.query(week, independent)["n"][0])
    week_ago = "select count(*) as n from image_builders_as_of(timestamptz '2026-11-17 15:00:00+00')"
    change = f["builders"] - views.query(week, week_ago)["n"][0].as_py()
    assert f"{change:+} since 17 November".replace("-", "−") in page.locator(".figures").inner_text()
    assert "Cost of 7 days" in page.locator(".figures").inner_text(), "not of thirty"


def test_its_totals_are_those_of_the_saved_questions(
    file: Path, week: Warehouse, open_page: Callable[..., Page]
) -> None:
    page = open_page(file)
    asked = views.query(week, questions.question("cost-by-owner").query)
    assert column(page, "cost_by_owner", "owner") == asked["owner"].to_pylist()
    assert "(nobody)" in asked["owner"].to_pylist()
    assert column(page, "cost_by_owner", "usd_estimate") == [f"{usd:,.2f}" for usd in asked["usd_estimate"].to_pylist()]


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
    assert answer.num_rows > 0
    told = {name: answer[name].to_pylist() for name in answer.column_names}
    # A column without any value is none; that of the ARN is a link, and a rule's own stand above its table.
    above = ("arn", *queries._OF_SECTION) if sheet == "findings" else ("arn",)
    shown = [name for name in told if any(value is not None for value in told[name]) and name not in above]
    tables = page.locator(f"table[data-sheet={sheet}]")
    for table in tables.all():
        assert [head.get_attribute("data-column") for head in table.locator("th").all()] == shown
    if sheet == "findings":
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert [one.inner_text() for one in page.locator("summary b").all()] == list(dict.fromkeys(told["finding"]))
        totals = [table.get_attribute("data-total") for table in tables.all()]
        assert totals == [str(n) for n in dict(zip(told["rule"], told["of_rule"], strict=True)).values()]
        sources = [one.get_attribute("href") for one in page.locator("details > p a").all()]
        assert sources == [source for _, source in dict.fromkeys(zip(told["finding"], told["source"], strict=True))]
    else:
        assert tables.get_attribute("data-total") == str(answer.num_rows)
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
    page.locator("summary").first.click()
    row = page.locator("table[data-sheet=findings] tbody tr").first
    for place in range(2):
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


def test_a_rate_without_any_price_is_not_known_and_no_zero(looker: Callable[..., Looker]) -> None:
    look = looker(builder("a", InstanceType="stream.unheard.of"), builder("b", State="STOPPED"))
    look.publish()
    page = report.render(look.warehouse)
    assert re.search(r'data-figure="month">not known</span><small><span>1 builder of no known price<', page)


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
    page.locator("table[data-sheet=estate] th[data-column=created_time] button").press("Enter")
    created = column(page, "estate", "created_time")
    assert created == sorted(created)
    page.locator("table[data-sheet=estate] th[data-column=running_hours_high] button").click()
    hours = column(page, "estate", "running_hours_high")
    known = [float(text.replace(",", "")) for text in hours if text]
    assert known == sorted(known)
    assert 0 < len(known) < len(hours)
    assert hours[len(known) :] == [""] * (len(hours) - len(known)), "what is empty comes last"


def test_a_filter_keeps_the_rows_that_have_its_words(file: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(file)
    section = page.locator("section[data-filtered]", has=page.locator("table[data-sheet=estate]"))
    everything = column(page, "estate", "name")
    section.locator("input[type=search]").fill("us-east-1 RUNNING")
    rows = [row.inner_text() for row in section.locator("tbody tr:visible").all()]
    assert 0 < len(rows) < len(everything)
    assert all("us-east-1" in row and "RUNNING" in row for row in rows)
    assert section.locator("output").inner_text() == f"{len(rows)} of {len(everything)}"
    section.locator("input[type=search]").fill("")
    assert section.locator("tbody tr:visible").count() == len(everything)


def test_each_builder_is_linked_to_its_own_history(file: Path, week: Warehouse, open_page: Callable[..., Page]) -> None:
    page = open_page(file)
    links = page.locator("table[data-sheet=estate] td a").all()
    assert len(links) == len(column(page, "estate", "name"))
    first = links[0]
    name, region = first.inner_text(), column(page, "estate", "region")[0]
    first.click()
    target = page.locator("article:target")
    assert target.locator("h3").inner_text().startswith(f"{name} {region}")
    assert target.evaluate("e => e.getBoundingClientRect().top") < 900
    asked = f"select count(*) as n from image_builder_changes where name = '{name}' and region = '{region}'"
    assert target.locator("tbody tr").count() == min(views.query(week, asked)["n"][0].as_py(), 20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(scheme: str, width: int, file: Path, browser: Browser) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page).response["violations"]
    context.close()
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


def test_no_text_is_clipped(file: Path, open_page: Callable[..., Page]) -> None:
    for width in (390, 1280):
        page = open_page(file, viewport={"width": width, "height": 900})
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        clipped = page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,p,dt,dd,small,summary,td,th,label')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        assert clipped == []
        outside = page.locator("figure .wide svg text, figure .narrow svg text").evaluate_all(
            "ts => ts.filter(t => t.getClientRects().length).filter(t => {"
            " const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();"
            " return a.left < b.left - 1 || a.right > b.right + 1; }).length"
        )
        assert outside == 0


def test_its_charts_have_a_bar_above_each_day_a_title_on_each_mark_and_a_colour_a_state(
    file: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page(file)
    texts = page.locator("figure[data-chart=states] .wide svg text").all_text_contents()
    days = [text for text in texts if re.fullmatch(r"\d+ [A-Z][a-z][a-z]", text)]
    assert days == ["17 Nov", "18 Nov", "19 Nov", "20 Nov", "21 Nov", "22 Nov", "23 Nov"], "and no tomorrow"
    assert texts.count("2026") == 1
    titles = page.locator("figure[data-chart=states] .wide svg path title").evaluate_all(
        "ts => ts.map(t => t.textContent)"
    )
    assert any(re.fullmatch(r"23 November 2026: \d+ RUNNING", title) for title in titles)
    fills = page.locator("figure[data-chart=states] .wide svg path[role=graphics-symbol]").evaluate_all(
        "ps => ps.map(p => [p.getAttribute('aria-label').split(' ').pop(), p.getAttribute('fill')])"
    )
    assert {(state, colour) for state, colour in fills} == {(s, STATE_COLOURS[s]) for s, _ in fills}
    centres = page.locator("figure[data-chart=cost] .wide svg path[aria-roledescription=bar]").evaluate_all(
        "ps => ps.map(p => { const b = p.getBoundingClientRect(); return b.left + b.width / 2; })"
    )
    labels = page.locator("figure[data-chart=cost] .wide svg text", has_text="Nov").evaluate_all(
        "ts => ts.map(t => { const b = t.getBoundingClientRect(); return b.left + b.width / 2; })"
    )
    assert all(min(abs(centre - label) for label in labels) < 2 for centre in centres)
    family = page.locator("figure svg text").first.evaluate("t => getComputedStyle(t).fontFamily")
    assert family == page.evaluate("getComputedStyle(document.body).fontFamily")


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
    paper = {"width": 1032, "height": 718}  # A4 landscape without its margins, at 96 pixels an inch.
    page = open_page(file, color_scheme="dark", viewport=paper)
    page.emulate_media(media="print")
    assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.9
    assert page.locator(".scroll").first.evaluate("e => getComputedStyle(e).maxHeight") == "none"
    assert page.evaluate("document.documentElement.scrollWidth") <= paper["width"]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    tables = page.locator("table[data-sheet]")
    assert all(table.is_visible() for table in tables.all()), "those in closed sections too"
    edges = page.locator("th").evaluate_all("ths => Math.max(...ths.map(t => t.getBoundingClientRect().right))")
    assert edges <= paper["width"], "every column is on the paper"
    heads = page.locator("thead").evaluate_all("hs => [...new Set(hs.map(h => getComputedStyle(h).display))]")
    assert heads == ["table-header-group"]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    pdf = (tmp_path / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([^]]*)\]", pdf)}
    assert all(box[2] > box[3] for box in boxes), "landscape"


@pytest.mark.parametrize("count", [0, 1, 1200])
def test_the_first_snapshot_an_empty_and_a_large_estate_look_right(
    count: int, looker: Callable[..., Looker], open_page: Callable[..., Page]
) -> None:
    look = looker(*(builder(f"builder-{n:05}", IamRoleArn="arn:aws:iam::1:role/r") for n in range(count)))
    look.publish()
    Path("report.html").write_text(report.render(look.warehouse))
    page = open_page(Path("report.html").absolute())
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    told = page.locator(".figures").inner_text()
    assert "the first look" in told
    assert "Cost of 1 day\n" in told
    assert f"1 day, {look.sandbox.clock.now():%Y-%m-%d}" in page.locator("header").inner_text()
    if count > queries.MOST_ROWS:
        rules = page.locator("summary", has_text=f"{count:,} image builders")
        assert rules.count() > 1, "no rule is left out for another"
        assert "The first 500 of 1,200." in page.locator("details p").all_text_contents()
        assert f"The first {queries.MOST_ROWS:,} of {count:,}." in page.locator("main").inner_text()
    bars = page.locator("figure[data-chart=states] .wide svg path[role=graphics-symbol]")
    assert bars.count() == min(count, 1)
    if count:
        assert bars.first.evaluate("b => b.getBoundingClientRect().width") < 80, "a day is no wall"


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
    assert done.stderr == "image-builders: no/such/folder cannot be written: there is no such folder.\n"


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
