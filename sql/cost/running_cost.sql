-- The cost of running time: the stretches of running_spans cut into UTC days and priced, with the least and the most that it
-- can have been. Only time since the first look that saw a target counts. What has no known price is unpriced, not
-- free. AWS's own rounding, discounts and credits are not in it.
--
-- Grain: one row per image builder, UTC day, instance type, operating system and volume size with which it ran.
-- Key: arn, cost_date, instance_type, platform, extra_volume_gb
-- Not null: hours_low, hours_high, is_priced
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner as of now, if its tags name one
--   instance_type: the instance type
--   platform: the operating system, in AppStream's words
--   operating_system: the operating system, in the price list's words; Windows 10 and 11 bill as BYOL
--   hours_low: the least it can have run that day
--   hours_high: the most it can have run that day
--   is_priced: whether the price of an hour is known
--   price_source: file or aws; null where no price is known
--   usd_per_hour: the price of an hour; null where none is known
--   usd_low: the least that the instance can have cost; null where no price is known
--   usd_high: the most that the instance can have cost; null where no price is known
--   extra_volume_gb: what the root volume has above the 200 GB that are included
--   usd_per_gb_month: the price of a GB of it for a month of 730 hours; null where none is known
--   volume_usd_low: the least that it can have cost beside the instance; null where no price is known
--   volume_usd_high: the most that it can have cost beside the instance; null where no price is known

with targets as (
    select
        account_id,
        region,
        min(case when is_kept and status = 'ok' then observed_at end) as first_at,
        max(observed_at) as newest_at
    from looks
    group by
        account_id,
        region
),

-- To the second, in UTC, before there is a row for every day.
spans as (
    select
        spans.account_id,
        spans.region,
        spans.arn,
        spans.name,
        spans.owner,
        spans.instance_type,
        spans.platform,
        spans.volume_gb,
        date_trunc('second', spans.first_seen_at at time zone 'UTC') as first_seen_at,
        date_trunc('second', spans.last_seen_at at time zone 'UTC') as last_seen_at,
        date_trunc(
            'second',
            case
                -- Where only the kind of instance changed, the stretch before has the time between the two.
                when
                    lag(spans.ended_before) over builder > spans.started_after
                    and lag(spans.ended_before) over builder > targets.first_at
                    then least(lag(spans.ended_before) over builder, spans.first_seen_at)
                when spans.started_after > targets.first_at then spans.started_after
                when targets.first_at > spans.first_seen_at then spans.first_seen_at
                else targets.first_at
            end at time zone 'UTC'
        ) as started_after,
        date_trunc('second', coalesce(spans.ended_before, targets.newest_at) at time zone 'UTC') as ended_before
    from running_spans as spans
    join targets
        on
            spans.account_id = targets.account_id
            and spans.region = targets.region
    window builder as (
        partition by spans.arn
        order by spans.first_seen_at
    )
),

days as (
    select
        spans.*,
        cast(days.day as date) as cost_date,
        cast(days.day as timestamp) as day_start,
        cast(days.day + interval 1 day as timestamp) as day_end
    from spans
    cross join
        unnest(
            generate_series(
                cast(spans.started_after as date),
                cast(spans.ended_before as date),
                interval 1 day
            )
        ) as days (day)
),

parts as (
    select
        *,
        date_diff('second', greatest(first_seen_at, day_start), least(last_seen_at, day_end)) as seconds_low,
        date_diff('second', greatest(started_after, day_start), least(ended_before, day_end)) as seconds_high
    from days
),

ran_by_platform as (
    select
        cost_date,
        account_id,
        region,
        arn,
        name,
        owner,
        instance_type,
        platform,
        case
            when volume_gb > 200 then volume_gb - 200
            else 0
        end as extra_volume_gb,
        cast(sum(greatest(seconds_low, 0)) as double) / 3600 as hours_low,
        cast(least(sum(greatest(seconds_high, 0)), 86400) as double) / 3600 as hours_high
    from parts
    group by
        cost_date,
        account_id,
        region,
        arn,
        name,
        owner,
        instance_type,
        platform,
        case
            when volume_gb > 200 then volume_gb - 200
            else 0
        end
    having sum(greatest(seconds_high, 0)) > 0
),

platforms as (
    select
        ran.platform,
        coalesce(min_by(systems.operating_system, systems.rank), ran.platform) as operating_system
    from (
        select distinct platform
        from ran_by_platform
    ) as ran
    left join operating_systems as systems
        on regexp_matches(lower(ran.platform), systems.pattern)
    group by ran.platform
),

ran as (
    select
        ran_by_platform.*,
        platforms.operating_system
    from ran_by_platform
    left join platforms
        on ran_by_platform.platform = platforms.platform
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
),

volume_offers as (
    select
        kinds.region,
        kinds.cost_date,
        prices.usd,
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
        from kinds
    ) as kinds
    join prices
        on
            prices.unit = 'gb-month'
            and (prices.region = '*' or prices.region = kinds.region)
            and (prices.valid_from is null or prices.valid_from <= kinds.cost_date)
            and (prices.valid_to is null or prices.valid_to > kinds.cost_date)
)

select
    ran.cost_date,
    ran.account_id,
    ran.region,
    ran.arn,
    ran.name,
    ran.owner,
    ran.instance_type,
    ran.platform,
    ran.operating_system,
    ran.hours_low,
    ran.hours_high,
    offers.usd is not null as is_priced,
    offers.source as price_source,
    offers.usd as usd_per_hour,
    ran.hours_low * offers.usd as usd_low,
    ran.hours_high * offers.usd as usd_high,
    ran.extra_volume_gb,
    volume_offers.usd as usd_per_gb_month,
    ran.hours_low * volume_offers.usd / 730 * ran.extra_volume_gb as volume_usd_low,
    ran.hours_high * volume_offers.usd / 730 * ran.extra_volume_gb as volume_usd_high
from ran
left join offers
    on
        ran.region = offers.region
        and ran.instance_type is not distinct from offers.instance_type
        and ran.operating_system is not distinct from offers.operating_system
        and ran.cost_date = offers.cost_date
        and offers.rank = 1
left join volume_offers
    on
        ran.region = volume_offers.region
        and ran.cost_date = volume_offers.cost_date
        and volume_offers.rank = 1
