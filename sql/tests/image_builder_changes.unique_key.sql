-- A field of a builder changes once at a moment, and a builder comes or goes once at a moment.

select
    arn,
    changed_at,
    change,
    field,
    count(*) as rows
from image_builder_changes
group by
    arn,
    changed_at,
    change,
    field
having count(*) > 1
