-- What changed since Friday?

select
    changed_at,
    region,
    name,
    change,
    field,
    from_value,
    to_value
from image_builder_changes
where
    change <> 'first_seen'
    and changed_at >= (
        select cast(date_trunc('week', max(observed_at)) as date) - 3
        from extracts
    )
order by
    changed_at desc,
    region,
    name,
    field
