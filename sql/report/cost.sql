-- Hours and cost of the last days, instances and root volumes.
--
-- One row.

select
    coalesce(sum(hours_low), 0) as hours_low,
    coalesce(sum(hours_estimate), 0) as hours_estimate,
    coalesce(sum(hours_high), 0) as hours_high,
    sum(usd_low) as usd_low,
    sum(usd_estimate) as usd_estimate,
    sum(usd_high) as usd_high,
    sum(volume_usd_estimate) as volume_usd_estimate,
    count(distinct cost_date) as days,
    coalesce(sum(unpriced_hours), 0) as unpriced_hours,
    count(distinct case when unpriced_hours + unpriced_volume_hours > 0 then arn end) as unpriced
from cost_by_day
where cost_date > cast((select max(observed_at) from looks) as date) - $days
