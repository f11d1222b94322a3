"""AWS → Arrow: the image builders, tags and prices that AWS tells, as Arrow data and rows of `extracts`.

The way through it: `sweep` (many targets) → `look` (one target) → `listing` (its pages) → `wire` (a reply's bytes) →
`pages` (Arrow). Not here: which targets there are (`targets`), where the data is kept (`warehouse`).
"""

from pipeline.extract.listing import Listing, Selection
from pipeline.extract.options import RetryPolicy
from pipeline.extract.pages import read_page
from pipeline.extract.spool import looked
from pipeline.extract.sweep import Sweep

__all__ = ["Listing", "RetryPolicy", "Selection", "Sweep", "looked", "read_page"]
