"""docs/questions.md: every saved question with its query and its answer, over a week of the sandbox that is always the
same.

`python -m pipeline.answers FILE` writes it.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pipeline.cli import demo, printing
from pipeline.views import database as views
from pipeline.views import questions
from pipeline.warehouse.warehouse import Warehouse

MOMENT = datetime(2026, 11, 23, 15, tzinfo=UTC)
"""The last moment of that week: a Monday afternoon."""

DAYS = 7

_INTRODUCTION = """# Questions

What people ask of the warehouse, each with its query and the answer of the sandbox's week, the seven days up to Monday
2026-11-23. `image-builders query @NAME` asks yours; the queries are the files of [sql/questions](../sql/questions), and
your own go into `./questions`, or where `IMAGE_BUILDERS_QUESTIONS` says.

*At least* and *at most* are the bounds that the spacing of the looks leaves: daily looks say that a builder was running
at three o'clock, not when it was started."""


def document(home: Warehouse) -> str:
    """The whole document, from a warehouse that holds that week."""
    saved = questions.questions({"IMAGE_BUILDERS_QUESTIONS": ""})
    parts = [_INTRODUCTION]
    for name, question in saved.items():
        answer = printing.as_text(views.query(home, question.query))
        parts.append(f"## {question.text}\n\n`image-builders query @{name}`\n\n```sql\n{question.query}\n```")
        parts.append(f"```\n{answer}\n```")
    return "\n\n".join(parts) + "\n"


def fill(location: str) -> Warehouse:
    """Fills a warehouse with that week."""
    return demo.fill(location, DAYS, MOMENT, lambda said: None)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        Path(sys.argv[1]).write_text(document(fill(f"{folder}/warehouse")), encoding="utf-8")
