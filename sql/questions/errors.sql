-- Which errors were there, and which still are?

select
    region,
    split_part(arn, '/', 2) as name,
    error_code,
    first_seen_at,
    last_seen_at,
    is_current
from error_log
order by
    first_seen_at,
    name,
    error_code
