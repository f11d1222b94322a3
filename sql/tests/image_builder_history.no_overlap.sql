-- A version ends before the next one begins, and not before it was seen last.

select
    arn,
    version,
    valid_from,
    valid_to,
    last_seen_at,
    next_valid_from
from (
    select
        *,
        lead(valid_from) over (partition by arn order by version) as next_valid_from
    from image_builder_history
) as versions
where
    valid_to < last_seen_at
    or valid_to > next_valid_from
    or last_seen_at < valid_from
    or (valid_to is null and next_valid_from is not null)
