-- What an hour of an image builder costs, and since when: AWS's price list, snapshot by snapshot, and the prices of
-- the user's own file, which hold at all times and win. A price of the list holds from the date that AWS tells, unless
-- an earlier snapshot shows that another one held on that day; then from the day on which it was read.
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
        max(cast(effective_date at time zone 'UTC' as date)) as effective_on,
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

dated as (
    select
        *,
        case
            when effective_on > lag(observed_on) over price then effective_on
            else observed_on
        end as holds_from
    from days
    where age = 1
    window price as (
        partition by region, instance_type, operating_system, unit
        order by observed_on
    )
),

-- One that was announced is listed more than once before it holds.
latest as (
    select
        *,
        row_number() over (
            partition by region, instance_type, operating_system, unit, holds_from
            order by observed_on desc
        ) as age_of_date
    from dated
),

listed as (
    select
        *,
        lag(holds_from) over price as earlier_on,
        lead(holds_from) over price as later_on
    from latest
    where age_of_date = 1
    window price as (
        partition by region, instance_type, operating_system, unit
        order by holds_from
    )
)

select
    'aws' as source,
    region,
    instance_type,
    operating_system,
    unit,
    usd,
    case when earlier_on is not null then holds_from end as valid_from,
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
