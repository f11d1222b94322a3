-- Which running builders answer IMDSv1, or may, because AWS does not tell?

select
    region,
    name,
    instance_type,
    platform,
    is_imdsv1_disabled
from image_builders_current
where
    is_imdsv1_disabled is distinct from true
    and state = 'RUNNING'
order by
    region,
    name
