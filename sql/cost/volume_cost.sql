-- The cost of root volumes: what they have above the 200 GB that are included is charged on every day on which the
-- image builder is there, whether it runs or not (VolumeConfig in the API). Only time since the first look that saw a
-- target counts. A volume whose size AWS does not tell is taken to have what is included.
--
-- Grain: one row per image builder, UTC day and size of volume above 200 GB.
-- Key: arn, cost_date, extra_volume_gb
-- Not null: extra_volume_gb, looks, hours_low, hours_estimate, hours_high, is_priced
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner at the end of that day, as far as its tags had been told; before they were told first, the first
--   instance_type: its instance type
--   extra_volume_gb: what its root volume has above the 200 GB that are included
--   looks: how many successful looks there were at its target that day
--   hours_low: the least that it was there that day
--   hours_estimate: what is most likely
--   hours_high: the most it can have been there that day
--   is_priced: whether the price is known
--   price_source: file or aws; null where no price is known
--   usd_per_gb_month: the price of a GB for a month of 730 hours; null where none is known
--   usd_low: the least that it can have cost; null where no price is known
--   usd_estimate: what is most likely; null where no price is known
--   usd_high: the most that it can have cost; null where no price is known

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
),

sums as (
    select
        day_no,
        cast(make_timestamp(day_no * 86400000000) as date) as cost_date,
        account_id,
        region,
        arn,
        max(name) as name,
        max(instance_type) as instance_type,
        extra_volume_gb,
        sum(greatest(least(coalesce(proven_to, from_second), day_to) - greatest(from_second, day_from), 0)) as low,
        sum(greatest(least(there_to, day_to) - greatest(there_from, day_from), 0)) as estimate,
        sum(least(to_second, day_to) - greatest(from_second, day_from)) as high
    from days
    group by
        day_no,
        account_id,
        region,
        arn,
        extra_volume_gb
),

offers as (
    select
        kinds.region,
        kinds.cost_date,
        prices.usd,
        prices.source,
        row_number() over (
            partition by kinds.region, kinds.cost_date
            order by
                prices.source desc,
                case when prices.region = '*' then 1 else 0 end
        ) as rank
    from (
        select distinct
            region,
            cost_date
        from sums
    ) as kinds
    join prices
        on
            prices.unit = 'gb-month'
            and (prices.region = '*' or prices.region = kinds.region)
            and (prices.valid_from is null or prices.valid_from <= kinds.cost_date)
            and (prices.valid_to is null or prices.valid_to > kinds.cost_date)
)

select
    sums.cost_date,
    sums.account_id,
    sums.region,
    sums.arn,
    sums.name,
    owners.owner,
    sums.instance_type,
    sums.extra_volume_gb,
    coalesce(looks_by_day.looks, 0) as looks,
    cast(sums.low as double) / 3600 as hours_low,
    cast(sums.estimate as double) / 3600 as hours_estimate,
    cast(sums.high as double) / 3600 as hours_high,
    offers.usd is not null as is_priced,
    offers.source as price_source,
    offers.usd as usd_per_gb_month,
    cast(sums.low as double) / 3600 / 730 * sums.extra_volume_gb * offers.usd as usd_low,
    cast(sums.estimate as double) / 3600 / 730 * sums.extra_volume_gb * offers.usd as usd_estimate,
    cast(sums.high as double) / 3600 / 730 * sums.extra_volume_gb * offers.usd as usd_high
from sums
left join offers
    on
        sums.region = offers.region
        and sums.cost_date = offers.cost_date
        and offers.rank = 1
left join looks_by_day
    on
        sums.account_id = looks_by_day.account_id
        and sums.region = looks_by_day.region
        and sums.cost_date = looks_by_day.look_date
left join image_builder_owner_history as owners
    on
        sums.arn = owners.arn
        and (owners.owned_from is null or owners.owned_from <= sums.cost_date)
        and (owners.owned_to is null or owners.owned_to > sums.cost_date)
