-- The configured targets whose newest look failed.

select
    account_id,
    region,
    account_name,
    last_status,
    last_error_code,
    last_error_message
from coverage
where
    last_status <> 'ok'
    and is_configured is distinct from false
order by
    account_id,
    region
