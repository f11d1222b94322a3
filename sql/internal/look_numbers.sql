-- The looks that the snapshots keep and that saw their target, numbered in order: by the numbers, sightings tell what lay
-- between them.
--
-- Grain: one row per account, region and snapshot that keeps a successful look at it.
-- Key: snapshot_id, account_id, region
-- Not null: look_no, complete_no, completes_before
-- Columns:
--   snapshot_id: the snapshot
--   account_id: the AWS account
--   region: the AWS region
--   observed_at: when the look ended
--   window_end: the first moment after the snapshot's window
--   is_complete: whether it went from the first page to the last, not narrowed by names
--   look_no: its number among the successful looks at its target, from 1
--   tags_no: its number among those that returned tags; null where it did not
--   complete_no: how many complete looks there were at its target up to it
--   completes_before: how many of them came before it
--   previous_complete_at: when the last complete look before it ended
--   next_complete_at: when the first complete look after it ended

select
    snapshot_id,
    account_id,
    region,
    observed_at,
    window_end,
    complete as is_complete,
    cast(count(*) over upto as integer) as look_no,
    case
        when tags_status = 'ok' then cast(count(case when tags_status = 'ok' then 1 end) over upto as integer)
    end as tags_no,
    cast(count(case when complete then 1 end) over upto as integer) as complete_no,
    cast(count(case when complete then 1 end) over earlier as integer) as completes_before,
    max(case when complete then observed_at end) over earlier as previous_complete_at,
    min(case when complete then observed_at end) over later as next_complete_at
from looks
where
    is_kept
    and status = 'ok'
window
    upto as (
        partition by account_id, region
        order by observed_at, snapshot_id
        rows between unbounded preceding and current row
    ),
    earlier as (
        partition by account_id, region
        order by observed_at, snapshot_id
        rows between unbounded preceding and 1 preceding
    ),
    later as (
        partition by account_id, region
        order by observed_at, snapshot_id
        rows between 1 following and unbounded following
    )
