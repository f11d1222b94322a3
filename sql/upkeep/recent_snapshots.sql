-- Of recent commits, the snapshots whose rows image_builders_current may need: those of the newest complete look at each
-- target and of the looks after it. The commits are the table `recent`.

select distinct snapshot_id
from (
    select
        snapshot_id,
        status,
        coalesce(later_observed_at, observed_at) as last_look_at,
        max(case when complete then observed_at end) over (partition by account_id, region) as complete_at
    from recent
) as looks
where
    status = 'ok'
    and (complete_at is null or last_look_at >= complete_at)
