-- Every look, and whether it is kept where others are forgotten: those of the day $before and later, those that
-- $accounts or $regions leave out (an empty list leaves out none), of each target the newest and what
-- image_builders_current still depends on, and the newest plan of the whole configuration.

select
    snapshot_id,
    account_id,
    region,
    snapshot_date,
    coalesce(
        snapshot_date >= $before
        or (len($accounts) > 0 and not list_contains($accounts, account_id))
        or (len($regions) > 0 and not list_contains($regions, region))
        or (status = 'ok' and (complete_at is null or last_look_at >= complete_at))
        or last_look_at = newest_look_at
        or planned_at = newest_planned_at,
        true
    ) as is_kept
from commit_looks
