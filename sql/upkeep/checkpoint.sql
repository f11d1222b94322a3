-- Of the commits that it covers, the rows that image_builders_current still depends on: the newest complete look at each
-- target and those after it, the newest look however it went, and the newest plan of the whole configuration.

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

select * exclude (last_look_at, complete_at, newest_look_at, planned_at, newest_planned_at)
from looks
where
    (status = 'ok' and (complete_at is null or last_look_at >= complete_at))
    or last_look_at = newest_look_at
    or coalesce(planned_at, last_look_at) >= newest_planned_at
order by
    snapshot_id,
    account_id,
    region
