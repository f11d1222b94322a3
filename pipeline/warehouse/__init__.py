"""Arrow → committed Parquet: one snapshot a window, published in one piece, kept fast to read, never half seen.

Not here: where the rows come from (`extract`), what SQL makes of them (`views`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.faces import loaded_when_asked_for

if TYPE_CHECKING:
    from pipeline.warehouse.prices import keep_prices
    from pipeline.warehouse.publication import Published
    from pipeline.warehouse.publish import Extracted
    from pipeline.warehouse.upkeep import tend
    from pipeline.warehouse.warehouse import Warehouse

__getattr__ = loaded_when_asked_for(
    __name__,
    {
        "Extracted": "publish",
        "Published": "publication",
        "Warehouse": "warehouse",
        "keep_prices": "prices",
        "tend": "upkeep",
    },
)

__all__ = ["Extracted", "Published", "Warehouse", "keep_prices", "tend"]
