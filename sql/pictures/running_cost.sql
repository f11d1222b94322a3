-- US dollars by day, as is most likely

select
    cost_date,
    round(sum(usd_estimate), 2) as number
from running_cost
group by cost_date
order by cost_date desc
limit 14
