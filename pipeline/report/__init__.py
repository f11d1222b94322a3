"""SQL → people: the report's page, its charts and tables, alerts, rows as Markdown.

Not here: the views that are asked (`views`), the command line's output (`cli`).
"""

from pipeline.report.page import FILE, keep, render

__all__ = ["FILE", "keep", "render"]
