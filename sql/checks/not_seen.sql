-- The targets of the newest snapshot (of a window, where one is given) that were not seen, and why; of one that was
-- looked at twice, why the later look failed.

select
    account_id || '/' || region as target,
    coalesce(later_status, status) as status,
    case when later_status is null then error_code else later_error_code end as error_code,
    case when later_status is null then error_message else later_error_message end as error_message
from extracts
where
    snapshot_id = (
        select max(snapshot_id)
        from extracts
        where $window_start is null or window_start = cast($window_start as timestamptz)
    )
    and (status <> 'ok' or later_status <> 'ok')
    and is_configured is distinct from false
order by all
