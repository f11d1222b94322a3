-- What do root volumes above 200 GB cost, whether their builders run or not?

select
    region,
    name,
    max(extra_volume_gb) as extra_gb,
    round(sum(usd_low), 2) as usd_at_least,
    round(sum(usd_estimate), 2) as usd_estimate,
    round(sum(usd_high), 2) as usd_at_most,
    round(sum(case when is_priced then 0 else hours_estimate end), 1) as unpriced_hours
from volume_cost
group by
    region,
    name
order by
    usd_estimate desc nulls last,
    name,
    region
