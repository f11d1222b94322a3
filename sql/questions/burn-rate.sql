-- What do builders cost an hour as they are now, instances and root volumes?

select
    coalesce(owner, '(nobody)') as owner,
    count(*) as builders,
    count(case when state = 'RUNNING' then 1 end) as running,
    count(case when is_billed then 1 end) as billed,
    round(sum(usd_per_hour), 2) as instances_usd_per_hour,
    round(sum(volume_usd_per_hour), 4) as volumes_usd_per_hour,
    round(730 * sum(coalesce(usd_per_hour, 0) + coalesce(volume_usd_per_hour, 0)), 2) as usd_per_month,
    count(case when not is_priced then 1 end) as unpriced_builders
from burn_rate
group by coalesce(owner, '(nobody)')
order by
    usd_per_month desc nulls last,
    owner
