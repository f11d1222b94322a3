-- What running_cost and volume_cost cost, each in columns of its own: what cost_by_day and cost_by_month sum up.
--
-- Grain: one row per row of running_cost and of volume_cost.
-- Key: arn, cost_date, instance_type, platform, extra_volume_gb
-- Not null: looks, hours_low, hours_estimate, hours_high, unpriced_hours, unpriced_volume_hours
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner on that day
--   instance_type: the instance type
--   platform: the operating system, in AppStream's words; null of a root volume
--   extra_volume_gb: what the root volume has above what is included; null of an instance
--   looks: how many successful looks there were at its target that day
--   hours_low: the least it can have run that day
--   hours_estimate: what is most likely
--   hours_high: the most it can have run that day
--   hours_outside: how much of hours_estimate is outside of working_hours
--   unpriced_hours: how much of hours_estimate has no known price, so that it is in no amount
--   unpriced_volume_hours: for how many hours it was likely there with a volume above 200 GB that has no known price
--   instance_usd_low: the least that the instance can have cost; null where no price is known, as in all that follow
--   instance_usd_estimate: what is most likely
--   instance_usd_high: the most that the instance can have cost
--   instance_usd_outside: what of instance_usd_estimate stopping it outside of working_hours would have saved
--   volume_usd_low: the least that its root volume can have cost above what is included
--   volume_usd_estimate: what is most likely
--   volume_usd_high: the most

select
    cost_date,
    account_id,
    region,
    arn,
    name,
    owner,
    instance_type,
    platform,
    cast(null as bigint) as extra_volume_gb,
    looks,
    hours_low,
    hours_estimate,
    hours_high,
    hours_outside,
    case when is_priced then 0 else hours_estimate end as unpriced_hours,
    0 as unpriced_volume_hours,
    usd_low as instance_usd_low,
    usd_estimate as instance_usd_estimate,
    usd_high as instance_usd_high,
    hours_outside * usd_per_hour as instance_usd_outside,
    cast(null as double) as volume_usd_low,
    cast(null as double) as volume_usd_estimate,
    cast(null as double) as volume_usd_high
from running_cost
union all
select
    cost_date,
    account_id,
    region,
    arn,
    name,
    owner,
    instance_type,
    cast(null as varchar) as platform,
    extra_volume_gb,
    looks,
    0 as hours_low,
    0 as hours_estimate,
    0 as hours_high,
    0 as hours_outside,
    0 as unpriced_hours,
    case when is_priced then 0 else hours_estimate end as unpriced_volume_hours,
    null as instance_usd_low,
    null as instance_usd_estimate,
    null as instance_usd_high,
    null as instance_usd_outside,
    usd_low as volume_usd_low,
    usd_estimate as volume_usd_estimate,
    usd_high as volume_usd_high
from volume_cost
