-- Running hours and cost by owner
--
-- The last {days} days, by the owner that the tags name; empty where they name none.

select
    owner,
    count(distinct arn) as builders,
    round(sum(hours_low), 1) as hours_low,
    round(sum(hours_high), 1) as hours_high,
    round(sum(usd_low + coalesce(volume_usd_low, 0)), 2) as usd_low,
    round(sum(usd_high + coalesce(volume_usd_high, 0)), 2) as usd_high,
    round(sum(case when not is_priced then hours_high else 0 end), 1) as unpriced_hours
from running_cost
where cost_date > cast((select max(observed_at) from looks) as date) - $days
group by owner
order by
    usd_high desc nulls last,
    owner
