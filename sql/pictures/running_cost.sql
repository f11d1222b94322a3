-- US dollars by day, at least

select
    cost_date,
    round(sum(usd_low), 2) as number
from running_cost
group by cost_date
order by cost_date desc
limit 14
