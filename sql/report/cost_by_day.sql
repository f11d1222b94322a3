-- Cost by day
--
-- Instances and root volumes, at least (dark) and at most (light); what is unpriced is not in it.

select
    cost_date as day,
    sum(usd_low + coalesce(volume_usd_low, 0)) as usd_low,
    sum(usd_high + coalesce(volume_usd_high, 0)) as usd_high
from running_cost
where cost_date > cast((select max(observed_at) from looks) as date) - $days
group by cost_date
having sum(usd_high + coalesce(volume_usd_high, 0)) is not null
order by cost_date
