-- What would stopping builders outside of working hours have saved?
-- Parameter: days number = 30: of how many days

select
    region,
    name,
    coalesce(max(owner), '(nobody)') as owner,
    round(sum(hours_estimate), 1) as hours_estimate,
    round(sum(hours_outside), 1) as hours_outside,
    round(sum(instance_usd_estimate), 2) as usd_estimate,
    round(sum(instance_usd_outside), 2) as usd_saved,
    round(sum(unpriced_hours), 1) as unpriced_hours
from cost_by_day
where cost_date > cast((select max(observed_at) from looks) at time zone 'UTC' as date) - cast($days as integer)
group by
    region,
    arn,
    name
having sum(hours_outside) > 0
order by
    usd_saved desc nulls last,
    hours_outside desc,
    region,
    name
