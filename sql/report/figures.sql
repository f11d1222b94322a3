-- The figures at the head of the report, but for cost.
--
-- One row.

-- A week ago, or when the looks of the first snapshot had ended: before that, targets had not been looked at.
with moments as (
    select
        min(observed_at) as first_look_at,
        max(observed_at) as newest_look_at,
        greatest(
            max(case when snapshot_id = (select min(snapshot_id) from looks) then observed_at end),
            max(observed_at) - interval 7 days
        ) as before
    from looks
),

then_ as (
    select
        count(*) as builders,
        count(case when history.state = 'RUNNING' then 1 end) as running
    from image_builder_history as history
    cross join moments
    where history.valid_from <= moments.before and (history.valid_to is null or history.valid_to > moments.before)
)

select
    moments.first_look_at,
    moments.newest_look_at,
    moments.before,
    then_.builders as builders_before,
    then_.running as running_before,
    (select count(*) from snapshots) as snapshots,
    (select count(*) from image_builders_current) as builders,
    (select count(*) from image_builders_current where state = 'RUNNING') as running,
    (select count(*) from image_builders_current join image_builder_states using (state) where is_billed) as billed,
    (select count(*) from coverage where is_configured is distinct from false) as targets,
    (select count(*) from coverage where is_configured is distinct from false and last_status = 'ok') as targets_seen,
    (select count(*) from findings where status = 'fail') as failing,
    (select count(*) from findings where status = 'fail' and severity = 'high') as failing_high,
    (select count(*) from findings where status = 'unknown') as unknown
from moments
cross join then_
