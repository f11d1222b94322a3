-- Where could we not look, and when?

select
    snapshot_date,
    account_id,
    region,
    status,
    error_message
from looks
where status <> 'ok'
order by
    snapshot_date,
    account_id,
    region,
    observed_at
