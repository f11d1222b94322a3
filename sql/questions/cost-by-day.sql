-- What did each day cost, instances and root volumes?

select
    cost_date,
    round(sum(usd_estimate), 2) as usd_estimate,
    round(sum(usd_low), 2) as usd_at_least,
    round(sum(usd_high), 2) as usd_at_most,
    round(sum(volume_usd_estimate), 2) as of_it_volumes_usd,
    round(sum(unpriced_hours), 1) as unpriced_hours,
    round(avg(looks), 1) as looks_a_day,
    round(sum(hours_low), 1) as hours_at_least,
    round(sum(hours_estimate), 1) as hours_estimate,
    round(sum(hours_high), 1) as hours_at_most
from cost_by_day
group by cost_date
order by cost_date
