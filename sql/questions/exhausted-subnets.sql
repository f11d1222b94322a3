-- Which subnets ran out of addresses?

select
    region,
    subnet_id,
    builders,
    exhausted,
    last_exhausted_at
from subnet_usage
where
    exhausted > 0
    or last_exhausted_at is not null
order by
    last_exhausted_at desc,
    subnet_id
