-- What did each owner's builders cost, instances and root volumes?

select
    coalesce(owner, '(nobody)') as owner,
    count(distinct arn) as builders,
    round(sum(usd_estimate), 2) as usd_estimate,
    round(sum(usd_low), 2) as usd_at_least,
    round(sum(usd_high), 2) as usd_at_most,
    round(sum(volume_usd_estimate), 2) as of_it_volumes_usd,
    round(sum(unpriced_hours), 1) as unpriced_hours,
    round(avg(looks), 1) as looks_a_day,
    round(sum(hours_estimate), 1) as hours_estimate
from cost_by_day
group by coalesce(owner, '(nobody)')
order by
    usd_estimate desc nulls last,
    owner
