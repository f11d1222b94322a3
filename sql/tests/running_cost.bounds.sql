-- A day has 24 hours, and the least is not more than the most.

select
    arn,
    cost_date,
    hours_low,
    hours_high,
    usd_low,
    usd_high
from running_cost
where
    hours_low < 0
    or hours_low > hours_high
    or hours_high > 24
    or usd_low > usd_high
