-- Running hours and cost by owner
--
-- The last {days}, instances and root volumes, each day by whom tags named on that day. What has no known price is in no amount.

select
    coalesce(owner, '(nobody)') as owner,
    count(distinct arn) as builders,
    round(sum(usd_estimate), 2) as usd_estimate,
    round(sum(usd_low), 2) as usd_low,
    round(sum(usd_high), 2) as usd_high,
    round(sum(volume_usd_estimate), 2) as of_it_volumes_usd,
    round(sum(unpriced_hours), 1) as unpriced_hours,
    round(avg(looks), 1) as looks_a_day,
    round(sum(hours_estimate), 1) as hours_estimate,
    round(sum(hours_low), 1) as hours_low,
    round(sum(hours_high), 1) as hours_high
from cost_by_day
where cost_date > cast((select max(observed_at) from looks) as date) - $days
group by coalesce(owner, '(nobody)')
order by
    usd_estimate desc nulls last,
    owner
