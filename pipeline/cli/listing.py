"""What can be asked: the saved questions and the views by subject, and a view's columns."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

import click

from pipeline.cli.fitting import drawn
from pipeline.cli.printing import Output, tell, terminal
from pipeline.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from pipeline.settings import Environment
    from pipeline.views import View

Row = tuple[str, str, str]
"""A subject, a name, what it tells."""


def print_list(environment: Environment, output: Output, is_all: bool) -> None:
    """The saved questions by subject, then the views by group; with `is_all`, also what other views are made of."""
    rows = [*_questions(environment), *_views(is_all)]
    if output.format != "table":
        output.print_rows(("group", "name", "what it tells"), rows)
        return
    text = _by_subject(rows)
    if not is_all:
        text += "\nWhat these are made of: image-builders query --list --all"
    output.print_text(text + "\nA view's columns:       image-builders query --describe VIEW")


def _questions(environment: Environment) -> list[Row]:
    from pipeline.views.catalogue import catalogue
    from pipeline.views.questions import questions, unreadable
    from pipeline.views.sql_files import GROUPS

    known = catalogue()
    rows = []
    for sentence in unreadable(environment.file("questions")):
        tell(f"A saved question is left out. {sentence}")
    for question in questions(environment.file("questions")).values():
        subject = question.subject(known)
        rows.append((GROUPS.index(subject), f"questions: {subject}", f"@{question.name}", question.described))
    return [row[1:] for row in sorted(rows)]


def _views(is_all: bool) -> list[Row]:
    from pipeline.views.catalogue import catalogue
    from pipeline.views.generated import TABLES_GROUP
    from pipeline.views.sql_files import GROUPS, INTERNAL

    order = [*(group for group in GROUPS if group != INTERNAL), TABLES_GROUP, *[INTERNAL] * is_all]
    listed = [view for view in catalogue().values() if not view.is_helper and view.group in order]
    listed.sort(key=lambda view: (order.index(view.group), view.name))
    return [(f"views: {view.group}", _called(view), view.purpose) for view in listed]


def _called(view: View) -> str:
    return f"{view.name}({', '.join(view.parameters)})" if view.parameters else view.name


def _by_subject(rows: list[Row]) -> str:
    """A heading for each subject, below it the names with what they tell, folded at words in a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    longest = max(len(name) for _, name, _ in rows)
    parts: list[Table | Text] = []
    for subject, its_rows in itertools.groupby(rows, key=lambda row: row[0]):
        sheet = Table.grid(padding=(0, 2))
        sheet.add_column(width=min(longest, 30) + 2, no_wrap=False)
        sheet.add_column()
        for _, name, tells in its_rows:
            sheet.add_row(Text(f"  {name}"), Text(tells))
        parts += [Text(subject, style="bold"), sheet, Text()]
    return drawn(Group(*parts), terminal())


def print_description(name: str, output: Output) -> None:
    """A view's purpose and grain, and its columns. Raises ConfigurationError for a view that is not there."""
    from pipeline.views.catalogue import catalogue
    from pipeline.views.database import column_types

    known = {name: view for name, view in catalogue().items() if not view.is_helper}
    if name not in known:
        hint = did_you_mean(name, known, "`image-builders query --list` tells which there are.")
        raise ConfigurationError(f"There is no view {name}; {hint}")
    view = known[name]
    types = column_types(view)
    if output.format == "table" and output.path is None:
        size = terminal()
        for text in (f"{view.name}: {view.purpose}", f"Grain: {view.grain}", ""):
            click.echo(textwrap.fill(text, size.width) if size else text)
    output.print_rows(
        ("column", "type", "what it means"),
        [(column, types[column], meaning) for column, meaning in view.columns.items()],
        folds=True,
    )
