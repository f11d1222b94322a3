-- A piece of an image builder ends before the next one begins.

select
    arn,
    first_seen_at,
    last_seen_at,
    next_seen_at
from (
    select
        *,
        lead(first_seen_at) over (partition by arn order by first_seen_at) as next_seen_at
    from image_builder_pieces
) as pieces
where
    last_seen_at < first_seen_at
    or last_seen_at >= next_seen_at
    or known_after > first_seen_at
    or known_until < last_seen_at
