-- What the looks say that are folded, and those since.

select
    account_id,
    region,
    arn,
    error_code,
    error_message,
    error_timestamp,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    cast(sum(snapshots) as bigint) as snapshots
from (
    select *
    from folded.open_errors_seen
    union all by name
    select *
    from since.errors_seen
) as seen
group by
    account_id,
    region,
    arn,
    error_code,
    error_message,
    error_timestamp
