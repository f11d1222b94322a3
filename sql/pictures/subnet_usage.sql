-- builders by subnet

select
    subnet_id,
    builders as number
from subnet_usage
order by number desc
limit 14
