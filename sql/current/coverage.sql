-- Where we could look, and where we could not: what no other view's silence may be mistaken for.
--
-- Grain: one row per target (account and region) that was ever looked at.
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   account_name: the account's name, as it was told last
--   is_configured: whether the newest run of the whole configuration named the target, or it was looked at by hand
--     in a window since; null before any such run
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

with looks as (
    select
        account_id,
        region,
        account_name,
        is_configured,
        window_start,
        window_end,
        date_diff('second', window_start, window_end) as window_seconds,
        lag(date_diff('second', window_start, window_end)) over (
            partition by account_id, region
            order by window_start, window_end
        ) as previous_seconds,
        max(window_end) over (
            partition by account_id, region
            order by window_start, window_end
            rows between unbounded preceding and 1 preceding
        ) as previous_end,
        started_at,
        observed_at,
        status,
        complete,
        builders,
        -- A carried row tells of two looks: the one that is kept, and a later one that may have failed.
        coalesce(later_observed_at, observed_at) as last_look_at,
        coalesce(later_status, status) as last_status,
        case when later_status is null then error_code else later_error_code end as last_error_code,
        case when later_status is null then error_message else later_error_message end as last_error_message,
        row_number() over (
            partition by account_id, region
            order by coalesce(later_observed_at, observed_at) desc
        ) as age,
        row_number() over (
            partition by account_id, region, status = 'ok'
            order by coalesce(later_observed_at, observed_at) desc
        ) as age_of_status
    from extracts
),

configured as (
    select max(case when is_configured is not null then window_start end) as configured_window
    from looks
),

targets as (
    select
        account_id,
        region,
        max(case when age = 1 then account_name end) as account_name,
        case
            when max(configured_window) is not null
                then coalesce(
                    max(case when window_start >= configured_window and coalesce(is_configured, true) then 1 end) = 1,
                    false
                )
        end as is_configured,
        max(last_look_at) as last_look_at,
        max(case when age = 1 then last_status end) as last_status,
        max(case when age = 1 then last_error_code end) as last_error_code,
        max(case when age = 1 then last_error_message end) as last_error_message,
        max(case when last_status = 'ok' then last_look_at when status = 'ok' then observed_at end) as last_success_at,
        max(case when complete then observed_at end) as last_complete_at,
        max(case when status = 'ok' and age_of_status = 1 then builders end) as builders,
        min(started_at) as first_look_at,
        max(window_end) as last_end,
        max(case when age = 1 then window_seconds end) as window_seconds,
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
    from looks
    cross join configured
    group by
        account_id,
        region
),

spans as (
    select
        *,
        cast(
            windows_until_last
            + case
                when is_configured is not null and not is_configured then 0
                when current_timestamp >= last_end
                    then cast(floor(date_diff('second', last_end, current_timestamp) / window_seconds) as bigint) + 1
                else 0
            end
            as bigint
        ) as windows
    from targets
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
