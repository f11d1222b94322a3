-- The seconds for which image builders were there on each day with a root volume above the 200 GB that are included, running
-- or not: what volume_cost puts a price on.
--
-- Grain: one row per image builder, UTC day and size of volume above 200 GB.
-- Key: arn, cost_date, extra_volume_gb
-- Not null: cost_date, extra_volume_gb, low, estimate, high
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   instance_type: its instance type
--   extra_volume_gb: what its root volume has above the 200 GB that are included
--   low: the least that it was there that day
--   estimate: what is most likely
--   high: the most it can have been there that day

with intervals as (
    select
        *,
        volume_gb - 200 as extra_volume_gb
    from image_builder_intervals
    where
        volume_gb > 200
        and from_second < to_second
),

-- The likely part of an interval is a part of it.
days as (
    select
        intervals.*,
        days.day_no,
        days.day_no * 86400 as day_from,
        days.day_no * 86400 + 86400 as day_to
    from intervals
    cross join
        unnest(
            generate_series(
                from_second // 86400,
                (to_second - 1) // 86400
            )
        ) as days (day_no)
)

select
    cast(make_timestamp(day_no * 86400000000) as date) as cost_date,
    account_id,
    region,
    arn,
    name,
    max(instance_type) as instance_type,
    extra_volume_gb,
    cast(sum(greatest(least(coalesce(proven_to, from_second), day_to) - greatest(from_second, day_from), 0)) as bigint) as low,
    cast(sum(greatest(least(there_to, day_to) - greatest(there_from, day_from), 0)) as bigint) as estimate,
    cast(sum(least(to_second, day_to) - greatest(from_second, day_from)) as bigint) as high
from days
group by
    day_no,
    account_id,
    region,
    arn,
    name,
    extra_volume_gb
