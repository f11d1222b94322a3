-- Cost by day
--
-- Instances and root volumes: what is most likely, and the least and the most that looks prove. What is unpriced is not in
-- it.

select
    cost_date as day,
    coalesce(sum(usd_low), 0) as usd_low,
    coalesce(sum(usd_estimate), 0) as usd_estimate,
    sum(usd_high) as usd_high
from cost_by_day
where cost_date > cast((select max(observed_at) from looks) as date) - $days
group by cost_date
having sum(usd_high) is not null
order by cost_date
