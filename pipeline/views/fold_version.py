"""What a fold is of: a digest of all that decides what is in it, and of the rules that finished hours depend on."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from pipeline.contract import TABLES
from pipeline.views.catalogue import catalogue
from pipeline.views.fold_order import moments
from pipeline.views.folded import CLOSED, COMPUTED, OPEN, closing_query, opening_query, over_fold
from pipeline.views.settings_views import Settings


@cache
def version() -> str:
    """A digest of all that decides what is in a fold: the contract, and the queries."""
    views = over_fold(catalogue())
    texts = [view.query for name, view in sorted(views.items()) if name in COMPUTED or "." in name]
    texts += [closing_query(name, catalogue()) for name in CLOSED]
    texts += [opening_query(name) for name in OPEN] + [moments()]
    columns = [(t.name, c.name, str(c.type)) for t in TABLES for c in t.columns]
    return hashlib.sha256(json.dumps([texts, columns]).encode()).hexdigest()[:16]


def rules_of(settings: Settings) -> str:
    """A digest of the rules that `folded.TIMED` depends on."""
    rules = settings.rules
    told = [sorted(rules.billed_states), rules.proof_hours, [list(hours) for hours in rules.working_hours]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
