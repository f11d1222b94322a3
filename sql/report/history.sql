-- What happened to each image builder
--
-- Of those that are there, and of those that went: their newest changes, at most twenty each. Each change happened at some
-- time between the two moments.

select
    changed_at,
    change,
    field,
    from_value,
    to_value,
    changed_after,
    name,
    region,
    account_id,
    arn
from image_builder_changes
qualify row_number() over (partition by arn order by changed_at desc, field) <= 20
order by
    name,
    account_id,
    region,
    arn,
    changed_at desc,
    field
