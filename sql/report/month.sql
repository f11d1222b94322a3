-- What a month costs at the rate of now, instances and root volumes.
--
-- One row. A month is 730 hours.

select
    730 * sum(coalesce(usd_per_hour, 0) + coalesce(volume_usd_per_hour, 0)) as usd_per_month,
    730 * sum(volume_usd_per_hour) as volume_usd_per_month,
    count(case when not is_priced then 1 end) as unpriced
from burn_rate
