-- The cost of running time: what image_builder_intervals proves and takes to be likely, cut into UTC days and priced.
-- Three numbers stand side by side: the least and the most, which the looks prove, and an estimate. Only time since the
-- first look that saw a target counts. What has no known price is unpriced, not free. Root volumes are in volume_cost.
-- AWS's discounts and credits are not in it.
--
-- Hours are measured; billed hours are what AWS counts: sessions of Windows are billed by whole hours, those of Amazon
-- Linux, RHEL and Rocky Linux by the second (AppStream 2.0 Pricing). What a session is rounded up by is in the day on
-- which it ended. How often one was stopped and started anew between two looks, nobody knows: as often as was seen.
--
-- Grain: one row per image builder, UTC day, instance type and operating system with which it may have run.
-- Key: arn, cost_date, instance_type, platform
-- Not null: hours_low, hours_estimate, hours_high, billed_hours_low, billed_hours_estimate, billed_hours_high, looks, is_priced
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner at the end of that day, as far as its tags had been told; before they were told first, the first
--   instance_type: the instance type
--   platform: the operating system, in AppStream's words
--   operating_system: the operating system, in the price list's words; Windows 10 and 11 bill as BYOL
--   looks: how many successful looks there were at its target that day: what the bounds rest on
--   hours_low: the least it can have run that day
--   hours_estimate: what is most likely
--   hours_high: the most it can have run that day
--   hours_outside: how much of hours_estimate is outside of working_hours
--   billed_hours_low: the least that AWS bills
--   billed_hours_estimate: what is most likely
--   billed_hours_high: the most, in as few sessions as there can have been
--   is_priced: whether the price of an hour is known
--   price_source: file or aws; null where no price is known
--   usd_per_hour: the price of an hour; null where none is known
--   usd_low: the least that the instance can have cost; null where no price is known
--   usd_estimate: what is most likely; null where no price is known
--   usd_high: the most that the instance can have cost; null where no price is known

-- Where a session begins or ends near midnight, the hour that is billed for it may lie in another day than its middle.
with ran as (
    select
        seconds.cost_date,
        seconds.account_id,
        seconds.region,
        seconds.arn,
        seconds.name,
        seconds.instance_type,
        seconds.platform,
        platforms.operating_system,
        cast(seconds.low as double) / 3600 as hours_low,
        cast(seconds.estimate as double) / 3600 as hours_estimate,
        cast(seconds.high as double) / 3600 as hours_high,
        cast(seconds.outside as double) / 3600 as hours_outside,
        cast(seconds.low + case when platforms.is_billed_by_second then 0 else seconds.low_begun end as double) / 3600
            as billed_low,
        cast(
            seconds.estimate + case when platforms.is_billed_by_second then 0 else seconds.estimate_begun end as double
        ) / 3600 as billed_estimate,
        cast(seconds.high + case when platforms.is_billed_by_second then 0 else seconds.high_begun end as double) / 3600
            as billed_high
    from running_seconds as seconds
    join platforms
        on seconds.platform is not distinct from platforms.platform
),

kinds as (
    select distinct
        region,
        instance_type,
        operating_system,
        cost_date
    from ran
),

-- The user's file wins over AWS's list, and what names more columns over what names fewer.
offers as (
    select
        kinds.*,
        prices.usd,
        prices.source,
        row_number() over (
            partition by kinds.region, kinds.instance_type, kinds.operating_system, kinds.cost_date
            order by
                prices.source desc,
                case when prices.instance_type = '*' then 1 else 0 end
                + case when prices.region = '*' then 1 else 0 end
                + case when prices.operating_system = '*' then 1 else 0 end,
                case when prices.instance_type = '*' then 1 else 0 end,
                case when prices.region = '*' then 1 else 0 end,
                case when prices.operating_system = '*' then 1 else 0 end
        ) as rank
    from kinds
    join prices
        on
            prices.unit = 'hour'
            and (prices.instance_type = '*' or prices.instance_type = kinds.instance_type)
            and (prices.region = '*' or prices.region = kinds.region)
            and (prices.operating_system = '*' or prices.operating_system = kinds.operating_system)
            and (prices.valid_from is null or prices.valid_from <= kinds.cost_date)
            and (prices.valid_to is null or prices.valid_to > kinds.cost_date)
)

select
    ran.cost_date,
    ran.account_id,
    ran.region,
    ran.arn,
    ran.name,
    owners.owner,
    ran.instance_type,
    ran.platform,
    ran.operating_system,
    coalesce(looks_by_day.looks, 0) as looks,
    ran.hours_low,
    ran.hours_estimate,
    ran.hours_high,
    ran.hours_outside,
    ran.billed_low as billed_hours_low,
    greatest(ran.billed_low, ran.billed_estimate) as billed_hours_estimate,
    greatest(ran.billed_low, ran.billed_estimate, ran.billed_high) as billed_hours_high,
    offers.usd is not null as is_priced,
    offers.source as price_source,
    offers.usd as usd_per_hour,
    ran.billed_low * offers.usd as usd_low,
    greatest(ran.billed_low, ran.billed_estimate) * offers.usd as usd_estimate,
    greatest(ran.billed_low, ran.billed_estimate, ran.billed_high) * offers.usd as usd_high
from ran
left join looks_by_day
    on
        ran.account_id = looks_by_day.account_id
        and ran.region = looks_by_day.region
        and ran.cost_date = looks_by_day.look_date
left join image_builder_owner_history as owners
    on
        ran.arn = owners.arn
        and (owners.owned_from is null or owners.owned_from <= ran.cost_date)
        and (owners.owned_to is null or owners.owned_to > ran.cost_date)
left join offers
    on
        ran.region = offers.region
        and ran.instance_type is not distinct from offers.instance_type
        and ran.operating_system is not distinct from offers.operating_system
        and ran.cost_date = offers.cost_date
        and offers.rank = 1
