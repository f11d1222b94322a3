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

with offers as (
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
        from volume_seconds
    ) as kinds
    join prices
        on
            prices.unit = 'gb-month'
            and (prices.region = '*' or prices.region = kinds.region)
            and (prices.valid_from is null or prices.valid_from <= kinds.cost_date)
            and (prices.valid_to is null or prices.valid_to > kinds.cost_date)
)

select
    seconds.cost_date,
    seconds.account_id,
    seconds.region,
    seconds.arn,
    seconds.name,
    owners.owner,
    seconds.instance_type,
    seconds.extra_volume_gb,
    coalesce(looks_by_day.looks, 0) as looks,
    cast(seconds.low as double) / 3600 as hours_low,
    cast(seconds.estimate as double) / 3600 as hours_estimate,
    cast(seconds.high as double) / 3600 as hours_high,
    offers.usd is not null as is_priced,
    offers.source as price_source,
    offers.usd as usd_per_gb_month,
    cast(seconds.low as double) / 3600 / 730 * seconds.extra_volume_gb * offers.usd as usd_low,
    cast(seconds.estimate as double) / 3600 / 730 * seconds.extra_volume_gb * offers.usd as usd_estimate,
    cast(seconds.high as double) / 3600 / 730 * seconds.extra_volume_gb * offers.usd as usd_high
from volume_seconds as seconds
left join offers
    on
        seconds.region = offers.region
        and seconds.cost_date = offers.cost_date
        and offers.rank = 1
left join looks_by_day
    on
        seconds.account_id = looks_by_day.account_id
        and seconds.region = looks_by_day.region
        and seconds.cost_date = looks_by_day.look_date
left join image_builder_owner_history as owners
    on
        seconds.arn = owners.arn
        and (owners.owned_from is null or owners.owned_from <= seconds.cost_date)
        and (owners.owned_to is null or owners.owned_to > seconds.cost_date)
