-- What did each day cost, without root volumes?

select
    cost_date,
    round(sum(hours_low), 1) as hours_at_least,
    round(sum(hours_high), 1) as hours_at_most,
    round(sum(usd_low), 2) as usd_at_least,
    round(sum(usd_high), 2) as usd_at_most,
    round(sum(case when is_priced then 0 else hours_high end), 1) as unpriced_hours
from running_cost
group by cost_date
order by cost_date
