-- Owners follow one another, and the last one has no end.

select
    arn,
    told_at,
    owned_from,
    owned_to,
    next_from
from (
    select
        *,
        lead(owned_from) over (partition by arn order by told_at) as next_from
    from image_builder_owner_history
) as owners
where
    owned_to is distinct from next_from
    or owned_to < owned_from
