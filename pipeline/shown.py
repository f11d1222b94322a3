"""Text from outside, of AWS or of a user's file, as each medium can show it without harm: one function a medium.

Whatever stands in a description, a state or an error message is text there: it moves no cursor, turns no line round,
forges no row, is no link, no image and no formula. In the tables it stays as it came.
"""

from __future__ import annotations

import re

CAP = 4096
"""Bytes of a text where it is repeated, in logs, events and alerts. It is whole in the tables."""

_ADDRESS = re.compile(r":(?=//)|(?<=(?<![A-Za-z0-9])www)\.", re.IGNORECASE)
_WEB = re.compile(r"(?:(?<=http)|(?<=https)|(?<=ftp)):(?=//)|(?<=(?<![A-Za-z0-9])www)\.", re.IGNORECASE)
_LINK = re.compile(r"://|(?<![A-Za-z0-9])www\.|@", re.IGNORECASE)
_MARKS = re.compile(r"([\\`*\[\]<>~#&!$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_FORMULA = re.compile(r"[=+\-@\t\r]")


def terminal(text: str) -> str:
    """Control characters, those that turn the direction of writing, and the like are shown as Python's escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def capped(text: str, most: int = CAP) -> str:
    """The beginning of a text of more than so many bytes in UTF-8, with how many there are."""
    if len(text) <= most // 4 or len(whole := text.encode("utf-8", "backslashreplace")) <= most:
        return text
    return f"{whole[:most].decode('utf-8', 'ignore')}… ({len(whole):,} bytes in all)"


def log(text: str) -> str:
    """For logs, events and messages to people: terminals, browsers and chats show them, each of which may know Markdown
    and make links of addresses. Those are broken up, http[:]//, and the text is capped.
    """
    # Not those of a warehouse, s3://: nobody makes a link of it.
    harmless = _WEB.sub(lambda found: f"[{found[0]}]", terminal(capped(text)))
    return harmless.replace("](", "] (").replace("=//", "=/ /")


def markdown(text: str, most: int | None = CAP) -> str:
    """A cell of a table in Markdown of GitHub's kind, capped unless `most` is None: marks are escaped; what a renderer
    would make a link of by itself, escaped or not, is code, or broken up where code could not hold it.
    """
    plain = terminal(text if most is None else capped(text, most))
    if _LINK.search(plain):
        # Renderers do not agree on what a backslash before a pipe means within code.
        if not any(mark in plain for mark in "\\|`"):
            return f"`{plain}`"
        plain = _broken_up(plain).replace("@", "[@]")
    return _MARKS.sub(r"\\\1", plain).replace("|", "&#124;")


def _broken_up(text: str) -> str:
    return _ADDRESS.sub(lambda found: f"[{found[0]}]", text)


def html(text: str) -> str:
    """For a page whose template escapes what is markup; capped."""
    return terminal(capped(text))


def svg(text: str, most: int = 60) -> str:
    """A label of a chart: what XML cannot hold ends the renderer, and a long one leaves no room for the chart."""
    plain = terminal(text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def slack(text: str) -> str:
    """For Slack, to which three characters are control characters (its documentation, Formatting text)."""
    return log(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def csv(text: str) -> str:
    """For a spreadsheet that reads CSV: what begins as a formula gets an apostrophe, which makes it a text."""
    plain = terminal(text)
    return f"'{plain}" if _FORMULA.match(text) or _FORMULA.match(plain.lstrip()) else plain
