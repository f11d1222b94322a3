-- The commits' rows, with what image_builders_current goes by: when the target was looked at last, the newest complete look
-- at it and the newest however it went, when the row's run planned, and the newest plan of the whole configuration.

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
