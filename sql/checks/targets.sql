-- How many targets the newest snapshot (of a window, where one is given) tells of.

select count(*) as targets
from extracts
where
    snapshot_id = (
        select max(snapshot_id)
        from extracts
        where $window_start is null or window_start = cast($window_start as timestamptz)
    )
    and is_configured is distinct from false
