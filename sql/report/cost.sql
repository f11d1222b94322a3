-- Hours and cost of the last days, instances and root volumes.
--
-- One row.

select
    coalesce(sum(hours_low), 0) as hours_low,
    coalesce(sum(hours_high), 0) as hours_high,
    sum(usd_low + coalesce(volume_usd_low, 0)) as usd_low,
    sum(usd_high + coalesce(volume_usd_high, 0)) as usd_high,
    count(distinct case
        when not is_priced or (extra_volume_gb > 0 and usd_per_gb_month is null) then arn
    end) as unpriced
from running_cost
where cost_date > cast((select max(observed_at) from looks) as date) - $days
