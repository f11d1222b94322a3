-- Where we could look, and where we could not: what no other view's silence may be mistaken for.
--
-- Grain: one row per target (account and region) that was ever looked at.
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   last_look_at: when the newest look ended, however it went
--   last_status: how it went: ok, denied, not_enabled, throttled, credentials, network, malformed or error
--   last_error_code: what ended it, if anything did
--   last_error_message: the same in words
--   last_success_at: when the newest look ended that saw the target
--   last_complete_at: when the newest look ended that saw it from the first page to the last
--   hours_since_success: full hours from last_success_at until now
--   builders: image builders in the newest snapshot that saw the target
--   first_look_at: when it was looked at first
--   windows: windows from the first look until now
--   windows_seen: of those, windows in which it was seen
--   gaps: of those, windows in which it was not: the look failed, there was none, or there is no snapshot

with looks as (
    select
        account_id,
        region,
        window_start,
        window_end,
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

targets as (
    select
        account_id,
        region,
        max(last_look_at) as last_look_at,
        max(case when age = 1 then last_status end) as last_status,
        max(case when age = 1 then last_error_code end) as last_error_code,
        max(case when age = 1 then last_error_message end) as last_error_message,
        max(case when last_status = 'ok' then last_look_at when status = 'ok' then observed_at end) as last_success_at,
        max(case when complete then observed_at end) as last_complete_at,
        max(case when status = 'ok' and age_of_status = 1 then builders end) as builders,
        min(started_at) as first_look_at,
        greatest(
            count(*),
            cast(floor(
                date_diff('second', min(window_start), current_timestamp)
                / max(case when age = 1 then date_diff('second', window_start, window_end) end)
            ) as bigint) + 1
        ) as windows,
        count(case when status = 'ok' then 1 end) as windows_seen
    from looks
    group by
        account_id,
        region
)

select
    account_id,
    region,
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
from targets
