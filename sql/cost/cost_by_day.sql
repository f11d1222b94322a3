-- What each image builder cost on each day, instances (running_cost) and root volumes (volume_cost) side by side: what
-- sums are made of. What has no known price is in no amount; unpriced_hours and unpriced_volume_hours say how much that
-- is.
--
-- Grain: one row per image builder, UTC day and instance type.
-- Key: arn, cost_date, instance_type
-- Not null: looks, hours_low, hours_estimate, hours_high, unpriced_hours, unpriced_volume_hours
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner on that day
--   instance_type: the instance type
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
--   usd_low: the least that both can have cost, as far as prices are known
--   usd_estimate: what is most likely
--   usd_high: the most

select
    cost_date,
    account_id,
    region,
    arn,
    max(name) as name,
    max(owner) as owner,
    instance_type,
    max(looks) as looks,
    sum(hours_low) as hours_low,
    sum(hours_estimate) as hours_estimate,
    sum(hours_high) as hours_high,
    sum(hours_outside) as hours_outside,
    sum(unpriced_hours) as unpriced_hours,
    sum(unpriced_volume_hours) as unpriced_volume_hours,
    sum(instance_usd_low) as instance_usd_low,
    sum(instance_usd_estimate) as instance_usd_estimate,
    sum(instance_usd_high) as instance_usd_high,
    sum(instance_usd_outside) as instance_usd_outside,
    sum(volume_usd_low) as volume_usd_low,
    sum(volume_usd_estimate) as volume_usd_estimate,
    sum(volume_usd_high) as volume_usd_high,
    coalesce(sum(instance_usd_low) + sum(volume_usd_low), sum(instance_usd_low), sum(volume_usd_low)) as usd_low,
    coalesce(
        sum(instance_usd_estimate) + sum(volume_usd_estimate), sum(instance_usd_estimate), sum(volume_usd_estimate)
    ) as usd_estimate,
    coalesce(sum(instance_usd_high) + sum(volume_usd_high), sum(instance_usd_high), sum(volume_usd_high)) as usd_high
from cost_parts
group by
    cost_date,
    account_id,
    region,
    arn,
    instance_type
