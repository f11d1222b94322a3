-- Where could we not look, and when?

select
    snapshot_date,
    account_id,
    region,
    status,
    error_message
from extracts
where status <> 'ok'
order by
    snapshot_date,
    account_id,
    region
