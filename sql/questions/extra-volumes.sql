-- What do root volumes above 200 GB cost?

select
    region,
    name,
    max(extra_volume_gb) as extra_gb,
    round(sum(volume_usd_low), 2) as usd_at_least,
    round(sum(volume_usd_high), 2) as usd_at_most
from running_cost
where extra_volume_gb > 0
group by
    region,
    name
order by
    usd_at_most desc,
    name,
    region
