-- What changed was something else before.

select
    arn,
    changed_at,
    field,
    from_value,
    to_value
from image_builder_changes
where
    change = 'changed'
    and from_value is not distinct from to_value
