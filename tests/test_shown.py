"""Text from outside is text in every medium: rendered, it reads as it was, and does nothing."""

import csv
import io
import re

import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from markdown_it import MarkdownIt

from pipeline import shown
from pipeline.report.markdown import to_markdown

HOSTILE = (
    "\x1b[31m\x1b]0;title\x07\x9b2J\r\n\x00 \u202eevil\u2066 ![b](http://host.example/x.png) [a](javascript:x) "
    "<img src=http://host.example/y onerror=alert(1)> <script>alert(1)</script> </svg> *b* _i_ ~s~ `c` ``d` | # - 1. "
    "www.host.example me@host.example https://host.example <!channel> &amp; \\ $x$ \ufeff\u2028"
)
TEXTS = st.text() | st.text(st.sampled_from("`\\|*_[]()<>!:/.@#-~&$ ahtpw\r\n\x1b")) | st.just(HOSTILE)
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(TEXTS)
@example(HOSTILE)
def test_nothing_that_a_medium_would_heed_is_left(text: str) -> None:
    for medium in (shown.terminal, shown.log, shown.html, shown.svg, shown.slack, shown.csv, shown.markdown):
        assert medium(text).isprintable(), medium


@given(st.text(st.characters(exclude_categories=("C", "Z"))) | st.just("Windows Server 2022 – Überblick, 日本語 🚀"))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert shown.terminal(text) == text


@given(st.lists(TEXTS, min_size=1, max_size=3))
@example([HOSTILE])
@example([r"http://h/\| ![b](http://host/x.png)", "b"])
@example(["_www.h.co", r"a\\|b", r"\\"])
def test_a_table_of_markdown_reads_as_the_texts_and_has_no_markup(texts: list[str]) -> None:
    rendered = GITHUB.parse(to_markdown([{f"c{n}": text for n, text in enumerate(texts)}], is_whole=True))
    inline = [token for token in rendered if token.type == "inline"]
    assert len([token for token in rendered if token.type == "tr_open"]) == 2
    for token, text in zip(inline[len(texts) :], texts, strict=True):
        children = token.children or []
        assert {child.type for child in children} <= {"text", "code_inline", "text_special"}, children
        read = "".join(child.content for child in children)
        wanted = shown.terminal(text).strip()
        assert read.strip() in (wanted, shown._broken_up(wanted).replace("@", "[@]"))
        linked = "".join(child.content for child in children if child.type != "code_inline")
        # What GitHub's and Dagster's renderers make links of by themselves, however it is escaped.
        assert not re.search(r"://|(?<![a-z0-9])www\.|\w@", linked.lower()), linked
        # Renderers differ on a backslash before a pipe in code: there is none.
        assert not any(child.type == "code_inline" and re.search(r"[\\|]", child.content) for child in children)


@given(TEXTS)
def test_a_log_has_no_address_that_a_chat_or_a_browser_would_open(text: str) -> None:
    for told in (shown.log(text), shown.slack(text)):
        assert not [scheme for scheme in ("http://", "https://", "www.", "](") if scheme in told.lower()], told
    assert "<" not in shown.slack(text)


def test_the_place_of_a_warehouse_stays_as_it_is_in_a_log() -> None:
    assert shown.log("The warehouse s3://lake/w cannot be read.") == "The warehouse s3://lake/w cannot be read."


@given(TEXTS)
def test_a_spreadsheet_finds_no_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(f'"{shown.csv(text).replace(chr(34), chr(34) * 2)}"'))
    assert not row[0].lstrip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("text", ["x" * 5_000_000, "é" * 3000, "→" * 4096])
def test_a_long_text_is_cut_where_it_is_repeated_and_says_how_long_it_was(text: str) -> None:
    for medium in (shown.capped, shown.log, shown.html, shown.markdown, shown.slack):
        assert len(medium(text).encode()) < shown.CAP + 100
        assert f"{len(text.encode()):,} bytes in all" in medium(text)
    assert shown.capped("short") == "short"
    assert len(shown.markdown(text, None)) == len(text)
