"""docs/questions.md: every saved question with its query and answer, over a week of the sandbox that never changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from pipeline import views
from pipeline.cli import demo, fitting, printing
from pipeline.settings import Environment
from pipeline.views import questions
from pipeline.warehouse import Warehouse

MOMENT = datetime(2026, 11, 23, 15, tzinfo=UTC)
"""The last moment of that week: a Monday afternoon."""

DAYS = 7

ROWS = 12
"""Rows of an answer that the document shows; the command prints them all."""

_INTRODUCTION = """# Questions

What people ask of the warehouse, each with its query and the answer of the sandbox's week, the seven days up to Monday
2026-11-23. `image-builders query @NAME` asks yours; the queries are the files of [sql/questions](../sql/questions), and
your own go into `./questions`, or where `IMAGE_BUILDERS_QUESTIONS` says. Long answers are cut here, and say so; the
command prints all of them. What stands after a name is a parameter with its value; the default, where a week is enough.

*At least* and *at most* are the bounds that the looks prove: daily looks say that a builder was running at three
o'clock, not what it did at night. What is called *estimate* is most likely: where two looks saw it running, that it
ran between them."""

ASKED = {"saved-by-deleting": ["days=3"], "untouched": ["days=3"]}
"""The values of questions whose defaults a week is too short for."""


def questions_page(home: Warehouse) -> str:
    """The whole document, from a warehouse that holds that week."""
    saved = questions.questions()
    parts = [_INTRODUCTION]
    for name, question in saved.items():
        answer = _cut(views.query(home, question.query, parameters=question.values(ASKED.get(name, []))))
        shown = ASKED.get(name) or [f"{p.name}={p.default}" for p in question.parameters]
        parameters = "".join(f" {value}" for value in shown)
        parts.append(
            f"## {question.text}\n\n`image-builders query @{name}{parameters}`\n\n```sql\n{question.query}\n```"
        )
        parts.append(f"```\n{answer}\n```")
    return "\n\n".join(parts) + "\n"


def _cut(answer: pa.Table) -> str:
    more = answer.num_rows - ROWS
    return fitting.as_text(answer.slice(0, ROWS), null=printing.NULL) + (
        f"\n… and {more} more rows" if more > 0 else ""
    )


def fill(location: str) -> Warehouse:
    """Fills a warehouse with that week."""
    return demo.fill(Environment(warehouse=location), DAYS, MOMENT)
