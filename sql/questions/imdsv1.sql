-- Which running builders answer IMDSv1?

select
    region,
    name,
    instance_type,
    platform
from image_builders_current
where
    not is_imdsv1_disabled
    and state = 'RUNNING'
order by
    region,
    name
