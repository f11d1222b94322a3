-- The least that a stretch can have lasted is not more than the most, and neither is less than nothing.

select
    arn,
    first_seen_at,
    hours_low,
    hours_high
from running_spans
where
    hours_low < 0
    or hours_low > hours_high
    or started_after > first_seen_at
    or ended_before < last_seen_at
