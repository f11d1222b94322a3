-- The seconds for which image builders ran on each day, by what image_builder_intervals proves and takes to be likely, and
-- what sessions are rounded up by to whole hours: what running_cost puts a price on. What a session is rounded up by is
-- in the day on which it ended; one that is billed by the second is not rounded up, which is running_cost's to know.
--
-- Grain: one row per image builder, UTC day, instance type and operating system with which it may have run.
-- Key: arn, cost_date, instance_type, platform
-- Not null: cost_date, low, estimate, high, outside, low_begun, estimate_begun, high_begun
-- Columns:
--   cost_date: the UTC day
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   instance_type: the instance type
--   platform: the operating system, in AppStream's words
--   low: the least it can have run that day
--   estimate: what is most likely
--   high: the most it can have run that day
--   outside: how much of estimate is outside of working_hours
--   low_begun: what is missing of the whole hours of sessions that are proven
--   estimate_begun: likewise, of sessions as they are likely
--   high_begun: likewise, of as few sessions as there can have been

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
        partition by account_id, region, arn, name
        order by from_second, to_second, first_seen_at
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
)

select
    cast(make_timestamp(day_no * 86400000000) as date) as cost_date,
    account_id,
    region,
    arn,
    name,
    instance_type,
    platform,
    cast(sum(low) as bigint) as low,
    cast(sum(estimate) as bigint) as estimate,
    cast(sum(high) as bigint) as high,
    cast(sum(estimate) - sum(at_work) as bigint) as outside,
    cast(coalesce(sum(low_begun), 0) as bigint) as low_begun,
    cast(coalesce(sum(estimate_begun), 0) as bigint) as estimate_begun,
    cast(coalesce(sum(high_begun), 0) as bigint) as high_begun
from seconds
group by
    day_no,
    account_id,
    region,
    arn,
    name,
    instance_type,
    platform
having
    sum(high) > 0
    or sum(low_begun) > 0
