-- A change lies after what was known before it.

select
    arn,
    change,
    field,
    changed_after,
    changed_at
from image_builder_changes
where changed_after > changed_at
