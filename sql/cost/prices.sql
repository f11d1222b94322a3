-- What an hour of an image builder costs, and since when: AWS's price list, snapshot by snapshot, and the prices of
-- the user's own file, which hold at all times and win.
--
-- Grain: one row per source, region, instance type, operating system and stretch of time.
-- Key: source, region, instance_type, operating_system, unit, valid_from
-- Columns:
--   source: file or aws
--   region: the AWS region; * for any
--   instance_type: the instance type, * for any; root-volume for a GB of root volume above what is included
--   operating_system: the operating system as prices know it; * for any
--   unit: hour or gb-month
--   usd: the price in US dollars
--   valid_from: the first day on which it holds; null where it holds from the beginning
--   valid_to: the first day on which it holds no more; null where it still does

with listings as (
    select
        region,
        instance_type,
        operating_system,
        unit,
        snapshot_id,
        cast(observed_at at time zone 'UTC' as date) as observed_on,
        min(usd) as usd
    from raw.instance_prices
    group by
        region,
        instance_type,
        operating_system,
        unit,
        snapshot_id,
        cast(observed_at at time zone 'UTC' as date)
),

-- The newest of each day: prices are by the day.
days as (
    select
        *,
        row_number() over (
            partition by region, instance_type, operating_system, unit, observed_on
            order by snapshot_id desc
        ) as age
    from listings
),

listed as (
    select
        *,
        lag(observed_on) over price as earlier_on,
        lead(observed_on) over price as later_on
    from days
    where age = 1
    window price as (
        partition by region, instance_type, operating_system, unit
        order by observed_on
    )
)

select
    'aws' as source,
    region,
    instance_type,
    operating_system,
    unit,
    usd,
    case when earlier_on is not null then observed_on end as valid_from,
    later_on as valid_to
from listed
union all
select
    'file' as source,
    region,
    instance_type,
    operating_system,
    unit,
    usd,
    cast(null as date) as valid_from,
    cast(null as date) as valid_to
from price_file
