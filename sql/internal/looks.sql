-- Every look that the warehouse tells of, with how it went: which look counts is decided from here. A row of extracts that
-- was carried forward tells of two: the one whose rows the snapshot keeps, and the newest after it; and of a third, where
-- a look at some image builders refreshed rows before that one.
--
-- Grain: one row per look at a target (account and region).
-- Key: snapshot_id, account_id, region, observed_at, is_kept
-- Not null: is_kept, status, complete, observed_at
-- Columns:
--   snapshot_id: the snapshot that tells of it
--   snapshot_date: the UTC day on which the snapshot's window began
--   account_id: the AWS account
--   region: the AWS region
--   account_name: the account's name
--   window_start: the window's first moment
--   window_end: the first moment after the window
--   is_configured: whether the configuration named the target; null where only runs with regions of their own looked
--   configured_at: when the run planned that is_configured is of; of old files, the window's first moment
--   is_kept: whether the rows of the snapshot are those of this look
--   status: how it went: ok, denied, not_enabled, throttled, credentials, network, malformed or error
--   complete: whether it went from the first page to the last, not narrowed by names
--   tags_status: how it went with the tags; null where they were not asked for
--   error_code: what ended it, if anything did
--   error_message: the same in words
--   started_at: when it began; of a later look that replaced nothing, when the one that is kept began
--   observed_at: when it ended
--   builders: image builders in the snapshot for the target

select
    snapshot_id,
    snapshot_date,
    account_id,
    region,
    account_name,
    window_start,
    window_end,
    is_configured,
    coalesce(configured_at, case when is_configured is not null then window_start end) as configured_at,
    true as is_kept,
    status,
    complete,
    tags_status,
    error_code,
    error_message,
    started_at,
    observed_at,
    builders
from extracts
union all
select
    snapshot_id,
    snapshot_date,
    account_id,
    region,
    account_name,
    window_start,
    window_end,
    is_configured,
    coalesce(configured_at, case when is_configured is not null then window_start end) as configured_at,
    false as is_kept,
    later_status as status,
    false as complete,
    cast(null as varchar) as tags_status,
    later_error_code as error_code,
    later_error_message as error_message,
    started_at,
    later_observed_at as observed_at,
    builders
from extracts
where later_observed_at is not null
union all
select
    snapshot_id,
    snapshot_date,
    account_id,
    region,
    account_name,
    window_start,
    window_end,
    is_configured,
    coalesce(configured_at, case when is_configured is not null then window_start end) as configured_at,
    false as is_kept,
    'ok' as status,
    false as complete,
    cast(null as varchar) as tags_status,
    cast(null as varchar) as error_code,
    cast(null as varchar) as error_message,
    started_at,
    refreshed_at as observed_at,
    builders
from extracts
where
    refreshed_at is not null
    and (refreshed_at <> later_observed_at or later_status <> 'ok')
