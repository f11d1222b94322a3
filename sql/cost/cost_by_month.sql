-- What each month cost, instances and root volumes, and what the month of the newest look will come to if it goes on as
-- in the last seven whole days. What has no known price is in no amount; unpriced hours say how much that is.
--
-- Grain: one row per month, account, region, owner and instance type.
-- Key: month, account_id, region, owner, instance_type
-- Not null: builders, looks_a_day, unpriced_hours, unpriced_volume_hours
-- Columns:
--   month: the month's first day, UTC
--   account_id: the AWS account
--   region: the AWS region
--   owner: the owner; null where tags named none
--   instance_type: the instance type
--   builders: how many image builders there were, running or not
--   looks_a_day: how many successful looks there were a day, on average over the days of image builders that may have run,
--     or of all where none may
--   hours_low: the least that they can have run
--   hours_estimate: what is most likely
--   hours_high: the most that they can have run
--   unpriced_hours: how much of hours_estimate has no known price
--   unpriced_volume_hours: for how many hours volumes above 200 GB were likely there that have no known price
--   instance_usd_estimate: what their instances most likely cost
--   volume_usd_estimate: what their root volumes above 200 GB most likely cost
--   usd_low: the least that both can have cost
--   usd_estimate: what is most likely
--   usd_high: the most
--   forecast_usd: what the month will most likely come to; of a month that is over, usd_estimate; null where there has
--     been no whole day yet to go by

with newest as (
    select
        cast(max(seen_until) at time zone 'UTC' as date) as today,
        cast(min(watched_since) at time zone 'UTC' as date) as first_day
    from watched_targets
),

-- The whole days to go by: seven, or as many as there have been since the first look, whose own day is no whole one.
days as (
    select
        today,
        cast(date_trunc('month', today) as date) as this_month,
        least(7, date_diff('day', first_day, today) - 1) as whole_days,
        date_diff('day', today, cast(date_trunc('month', today) + interval 1 month as date)) as days_left
    from newest
),

costs as (
    select
        costs.*,
        cast(date_trunc('month', costs.cost_date) as date) as month,
        days.this_month,
        days.whole_days,
        days.days_left,
        case
            when
                date_diff('day', costs.cost_date, days.today) between 1 and days.whole_days
                then coalesce(costs.instance_usd_estimate, costs.volume_usd_estimate)
        end as usd_recent,
        case
            when costs.cost_date < days.today then coalesce(costs.instance_usd_estimate, costs.volume_usd_estimate)
        end as usd_before_today
    from cost_parts as costs
    cross join days
),

months as (
    select
        month,
        account_id,
        region,
        owner,
        instance_type,
        count(distinct arn) as builders,
        coalesce(avg(case when extra_volume_gb is null then looks end), avg(looks)) as looks_a_day,
        sum(hours_low) as hours_low,
        sum(hours_estimate) as hours_estimate,
        sum(hours_high) as hours_high,
        sum(unpriced_hours) as unpriced_hours,
        sum(unpriced_volume_hours) as unpriced_volume_hours,
        sum(instance_usd_low) as instance_usd_low,
        sum(instance_usd_estimate) as instance_usd_estimate,
        sum(instance_usd_high) as instance_usd_high,
        sum(volume_usd_low) as volume_usd_low,
        sum(volume_usd_estimate) as volume_usd_estimate,
        sum(volume_usd_high) as volume_usd_high,
        sum(usd_recent) as usd_recent,
        sum(usd_before_today) as usd_before_today,
        max(whole_days) as whole_days,
        max(days_left) as days_left,
        max(case when month = this_month then 1 else 0 end) as is_this_month
    from costs
    group by
        month,
        account_id,
        region,
        owner,
        instance_type
),

totals as (
    select
        *,
        coalesce(instance_usd_low + volume_usd_low, instance_usd_low, volume_usd_low) as usd_low,
        coalesce(instance_usd_estimate + volume_usd_estimate, instance_usd_estimate, volume_usd_estimate)
            as usd_estimate,
        coalesce(instance_usd_high + volume_usd_high, instance_usd_high, volume_usd_high) as usd_high,
        case
            when whole_days > 0
                then sum(usd_recent) over (partition by account_id, region, owner, instance_type) / whole_days
        end as usd_per_day
    from months
)

select
    month,
    account_id,
    region,
    owner,
    instance_type,
    builders,
    looks_a_day,
    hours_low,
    hours_estimate,
    hours_high,
    unpriced_hours,
    unpriced_volume_hours,
    instance_usd_estimate,
    volume_usd_estimate,
    usd_low,
    usd_estimate,
    usd_high,
    case
        when is_this_month = 0 then usd_estimate
        else coalesce(usd_before_today, 0) + days_left * usd_per_day
    end as forecast_usd
from totals
