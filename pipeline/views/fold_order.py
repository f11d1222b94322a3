"""The order in which looks are folded, that of their moments: which a look that is not folded must not come before."""

from __future__ import annotations

from pipeline.contract import IMAGE_BUILDERS
from pipeline.views.dependencies import FOLDED, LIVE

MOMENTS_READ = (f"{LIVE}.looks", f"{LIVE}.{IMAGE_BUILDERS.name}")
"""The views that `moments` reads."""


def moments() -> str:
    """A query of the moments that looks which are not folded tell, and their rows: the first and the last of each
    snapshot and target.
    """
    return f"""select
    snapshot_id,
    account_id,
    region,
    min(told_at) as first_at,
    max(told_at) as last_at
from (
    select
        snapshot_id,
        account_id,
        region,
        observed_at as told_at
    from {LIVE}.looks
    union all
    select
        snapshot_id,
        account_id,
        region,
        unnest([observed_at, coalesce(tags_observed_at, observed_at)]) as told_at
    from {LIVE}.{IMAGE_BUILDERS.name}
) as told
group by
    snapshot_id,
    account_id,
    region"""


def not_in_order() -> str:
    """A query that has a row where a look that is not folded tells of a moment up to the last that is."""
    return f"""select 1
from ({moments()}) as now
join {FOLDED}.open_targets as before
    on now.account_id = before.account_id and now.region = before.region
where now.first_at <= before.last_at
limit 1"""
