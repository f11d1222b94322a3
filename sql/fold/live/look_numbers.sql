-- Numbers go on from those of the looks that are folded.

select
    now.snapshot_id,
    now.account_id,
    now.region,
    now.observed_at,
    now.window_end,
    now.is_complete,
    now.look_no + coalesce(before.looks, 0) as look_no,
    now.tags_no + coalesce(before.tags_looks, 0) as tags_no,
    now.complete_no + coalesce(before.completes, 0) as complete_no,
    now.completes_before + coalesce(before.completes, 0) as completes_before,
    coalesce(now.previous_complete_at, before.last_complete_at) as previous_complete_at,
    now.next_complete_at
from since.look_numbers as now
left join folded.open_targets as before
    on now.account_id = before.account_id and now.region = before.region
