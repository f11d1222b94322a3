-- Of the commits that it covers, the rows that image_builders_current still depends on: the newest complete look at each
-- target and those after it, the newest look however it went, and the newest plan of the whole configuration.

select * exclude (last_look_at, complete_at, newest_look_at, planned_at, newest_planned_at)
from commit_looks
where
    (status = 'ok' and (complete_at is null or last_look_at >= complete_at))
    or last_look_at = newest_look_at
    or coalesce(planned_at, last_look_at) >= newest_planned_at
order by
    snapshot_id,
    account_id,
    region
