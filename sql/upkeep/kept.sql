-- Every look, and whether it is kept where others are forgotten: those of the day $before and later, those that
-- $accounts or $regions leave out (an empty list leaves out none), of each target the newest and what
-- image_builders_current still depends on, and the newest plan of the whole configuration.

with looks as (
    select
        *,
        coalesce(later_observed_at, observed_at) as last_look_at,
        max(case when complete then observed_at end) over (partition by account_id, region) as complete_at,
        max(coalesce(later_observed_at, observed_at)) over (partition by account_id, region) as newest_look_at,
        coalesce(configured_at, case when is_configured is not null then window_start end) as planned_at,
        max(
            coalesce(configured_at, case when is_configured is not null then window_start end)
        ) over () as newest_planned_at
    from extracts
)

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
from looks
