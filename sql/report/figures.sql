-- The figures at the head of the report, but for cost.
--
-- One row.

select
    (select max(observed_at) from looks) as newest_look_at,
    (select count(*) from snapshots) as snapshots,
    (select count(*) from image_builders_current) as builders,
    (select count(*) from image_builders_current where state = 'RUNNING') as running,
    (select count(*) from image_builders_current join image_builder_states using (state) where is_billed) as billed,
    (select count(*) from coverage where is_configured is distinct from false) as targets,
    (select count(*) from coverage where is_configured is distinct from false and last_status = 'ok') as targets_seen,
    (select count(*) from findings where status = 'fail') as failing,
    (select count(*) from findings where status = 'fail' and severity = 'high') as failing_high,
    (select count(*) from findings where status = 'unknown') as unknown
