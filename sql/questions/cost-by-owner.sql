-- What did running cost, by owner, without root volumes?

select
    coalesce(owner, '(nobody)') as owner,
    count(distinct arn) as builders,
    round(sum(hours_low), 1) as hours_at_least,
    round(sum(hours_high), 1) as hours_at_most,
    round(sum(usd_low), 2) as usd_at_least,
    round(sum(usd_high), 2) as usd_at_most,
    round(sum(case when is_priced then 0 else hours_high end), 1) as unpriced_hours
from running_cost
group by coalesce(owner, '(nobody)')
order by
    usd_at_most desc,
    owner
