-- A stretch of a builder ends before the next one is seen.

select
    arn,
    first_seen_at,
    last_seen_at,
    next_seen_at
from (
    select
        *,
        lead(first_seen_at) over (partition by arn order by first_seen_at) as next_seen_at
    from image_builder_spans
) as spans
where
    last_seen_at >= next_seen_at
    or (is_open and next_seen_at is not null)
