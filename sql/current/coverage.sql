-- How the looks at each target went, so that a target that could not be looked at is not mistaken for an empty one.
--
-- Grain: one row per target (account and region) that was ever looked at.
-- Key: account_id, region
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   account_name: the account's name, as it was told last
--   is_configured: whether the newest run of the whole configuration named the target, or it was looked at by hand
--     since; null before any such run
--   last_look_at: when the newest look ended, however it went
--   last_status: how it went: ok, denied, not_enabled, throttled, credentials, network, malformed or error
--   last_error_code: what ended it, if anything did
--   last_error_message: the same in words
--   last_success_at: when the newest look ended that saw the target
--   last_complete_at: when the newest look ended that saw it from the first page to the last
--   hours_since_success: full hours from last_success_at until now
--   builders: image builders in the newest snapshot that saw the target
--   first_look_at: when it was looked at first
--   windows: windows from the first look until now, or until the last one if it is no longer configured
--   windows_seen: of those, windows in which it was seen
--   gaps: of those, windows in which it was not: the look failed, there was none, or there is no snapshot; where the
--     cadence changed, of the longer kind

with windows as (
    select
        account_id,
        region,
        is_configured,
        configured_at,
        observed_at,
        window_start,
        window_end,
        status,
        date_diff('second', window_start, window_end) as window_seconds,
        lag(date_diff('second', window_start, window_end)) over (
            partition by account_id, region
            order by window_start, window_end
        ) as previous_seconds,
        max(window_end) over (
            partition by account_id, region
            order by window_start, window_end
            rows between unbounded preceding and 1 preceding
        ) as previous_end
    from looks
    where is_kept
),

configured as (
    select max(configured_at) as newest_configured_at
    from windows
),

counted as (
    select
        account_id,
        region,
        case
            when max(newest_configured_at) is not null
                then coalesce(
                    max(
                        case
                            when is_configured and configured_at >= newest_configured_at then 1
                            when is_configured is null and observed_at >= newest_configured_at then 1
                        end
                    ) = 1,
                    false
                )
        end as is_configured,
        max(window_end) as last_end,
        count(*) + sum(
            case
                when window_start > previous_end
                    then cast(floor(
                        date_diff('second', previous_end, window_start) / greatest(window_seconds, previous_seconds)
                    ) as bigint)
                else 0
            end
        ) as windows_until_last,
        count(case when status = 'ok' then 1 end) as windows_seen
    from windows
    cross join configured
    group by
        account_id,
        region
),

ranked as (
    select
        *,
        date_diff('second', window_start, window_end) as window_seconds,
        row_number() over (
            partition by account_id, region
            order by observed_at desc, is_kept
        ) as age,
        row_number() over (
            partition by account_id, region, is_kept and status = 'ok'
            order by observed_at desc, is_kept
        ) as age_of_seen
    from looks
),

targets as (
    select
        account_id,
        region,
        max(case when age = 1 then account_name end) as account_name,
        max(observed_at) as last_look_at,
        max(case when age = 1 then status end) as last_status,
        max(case when age = 1 then error_code end) as last_error_code,
        max(case when age = 1 then error_message end) as last_error_message,
        max(case when status = 'ok' then observed_at end) as last_success_at,
        max(case when complete then observed_at end) as last_complete_at,
        max(case when is_kept and status = 'ok' and age_of_seen = 1 then builders end) as builders,
        min(started_at) as first_look_at,
        max(case when age = 1 then window_seconds end) as window_seconds
    from ranked
    group by
        account_id,
        region
),

spans as (
    select
        targets.*,
        counted.is_configured,
        counted.windows_seen,
        cast(
            counted.windows_until_last
            + case
                when counted.is_configured is not null and not counted.is_configured then 0
                when current_timestamp >= counted.last_end
                    then cast(floor(
                        date_diff('second', counted.last_end, current_timestamp) / targets.window_seconds
                    ) as bigint) + 1
                else 0
            end
            as bigint
        ) as windows
    from targets
    join counted
        on targets.account_id = counted.account_id and targets.region = counted.region
)

select
    account_id,
    region,
    account_name,
    is_configured,
    last_look_at,
    last_status,
    last_error_code,
    last_error_message,
    last_success_at,
    last_complete_at,
    cast(floor(date_diff('second', last_success_at, current_timestamp) / 3600) as bigint) as hours_since_success,
    builders,
    first_look_at,
    windows,
    windows_seen,
    windows - windows_seen as gaps
from spans
