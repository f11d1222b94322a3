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

with intervals as (
    select
        *,
        high_from // 86400 as first_day_no,
        greatest(high_to - 1, high_from) // 86400 as last_day_no,
        greatest(low_to - 1, low_from) // 86400 as low_day_no,
        -- What is missing of whole hours. A session that one look alone saw is one hour at least.
        case
            when is_alone
                then greatest(cast(ceil(cast(low_to - low_from as double) / 3600) as bigint), 1) * 3600
                    - (low_to - low_from)
        end as low_begun
    from image_builder_intervals
    where high_from is not null
),

days as (
    select
        intervals.*,
        days.day_no,
        days.day_no * 86400 as day_from,
        days.day_no * 86400 + 86400 as day_to
    from intervals
    cross join unnest(generate_series(first_day_no, last_day_no)) as days (day_no)
),

-- What of each is in the day: nothing at all where it is nowhere.
parts as (
    select
        *,
        case when low_from is null then 0 else greatest(least(low_to, day_to) - greatest(low_from, day_from), 0) end
            as low,
        case when billed_from is null then day_to else greatest(billed_from, day_from) end as estimate_from,
        case when billed_from is null then day_from else least(billed_to, day_to) end as estimate_to,
        least(high_to, day_to) - greatest(high_from, day_from) as high
    from days
),

-- Where sessions that looks saw begin and end.
edges as (
    select
        account_id,
        region,
        arn,
        name,
        instance_type,
        platform,
        high_to,
        billed_to,
        is_session_end,
        max(case when is_session_start then billed_from end) over upto as session_from,
        max(case when is_session_start then high_from end) over upto as longest_from
    from intervals
    where
        is_session_start
        or is_session_end
    window upto as (
        partition by arn
        order by from_second, to_second
        rows between unbounded preceding and current row
    )
),

ends as (
    select
        *,
        greatest(billed_to - 1, session_from) // 86400 as day_no,
        greatest(high_to - 1, longest_from) // 86400 as last_day_no,
        cast(ceil(cast(billed_to - session_from as double) / 3600) as bigint) * 3600 - (billed_to - session_from)
            as begun,
        cast(ceil(cast(high_to - longest_from as double) / 3600) as bigint) * 3600 - (high_to - longest_from)
            as longest_begun
    from edges
    where is_session_end
),

-- A day of UTC has two stretches of work at most: the end of yesterday's and the beginning of today's.
work_days as (
    select
        weekday,
        min(from_second) as from_second,
        min(to_second) as to_second,
        max(from_second) as later_from_second,
        case when count(*) > 1 then max(to_second) else 0 end as later_to_second
    from working_hours
    group by weekday
),

seconds as (
    select
        parts.day_no,
        parts.account_id,
        parts.region,
        parts.arn,
        parts.name,
        parts.instance_type,
        parts.platform,
        parts.low,
        greatest(parts.estimate_to - parts.estimate_from, 0) as estimate,
        parts.high,
        case when parts.day_no = parts.low_day_no then parts.low_begun end as low_begun,
        null as estimate_begun,
        null as high_begun,
        greatest(
            least(parts.estimate_to, parts.day_from + coalesce(work_days.to_second, 0))
            - greatest(parts.estimate_from, parts.day_from + coalesce(work_days.from_second, 0)),
            0
        )
        + greatest(
            least(parts.estimate_to, parts.day_from + coalesce(work_days.later_to_second, 0))
            - greatest(parts.estimate_from, parts.day_from + coalesce(work_days.later_from_second, 0)),
            0
        ) as at_work
    from parts
    left join work_days
        on (parts.day_no + 3) % 7 = work_days.weekday
    union all
    select
        day_no,
        account_id,
        region,
        arn,
        name,
        instance_type,
        platform,
        0 as low,
        0 as estimate,
        0 as high,
        null as low_begun,
        begun as estimate_begun,
        null as high_begun,
        0 as at_work
    from ends
    union all
    select
        last_day_no as day_no,
        account_id,
        region,
        arn,
        name,
        instance_type,
        platform,
        0 as low,
        0 as estimate,
        0 as high,
        null as low_begun,
        null as estimate_begun,
        longest_begun as high_begun,
        0 as at_work
    from ends
),

sums as (
    select
        cast(make_timestamp(day_no * 86400000000) as date) as cost_date,
        max(account_id) as account_id,
        max(region) as region,
        arn,
        max(name) as name,
        instance_type,
        platform,
        sum(low) as low,
        sum(estimate) as estimate,
        sum(high) as high,
        sum(at_work) as at_work,
        coalesce(sum(low_begun), 0) as low_begun,
        coalesce(sum(estimate_begun), 0) as estimate_begun,
        coalesce(sum(high_begun), 0) as high_begun
    from seconds
    group by
        day_no,
        arn,
        instance_type,
        platform
),

-- Where a session begins or ends near midnight, the hour that is billed for it may lie in another day than its middle.
ran as (
    select
        sums.cost_date,
        sums.account_id,
        sums.region,
        sums.arn,
        sums.name,
        sums.instance_type,
        sums.platform,
        platforms.operating_system,
        cast(sums.low as double) / 3600 as hours_low,
        cast(sums.estimate as double) / 3600 as hours_estimate,
        cast(sums.high as double) / 3600 as hours_high,
        cast(sums.estimate - sums.at_work as double) / 3600 as hours_outside,
        cast(sums.low + case when platforms.is_billed_by_second then 0 else sums.low_begun end as double) / 3600
            as billed_low,
        cast(
            sums.estimate + case when platforms.is_billed_by_second then 0 else sums.estimate_begun end as double
        ) / 3600 as billed_estimate,
        cast(sums.high + case when platforms.is_billed_by_second then 0 else sums.high_begun end as double) / 3600
            as billed_high
    from sums
    join platforms
        on sums.platform is not distinct from platforms.platform
    where
        sums.high > 0
        or sums.low_begun > 0
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
