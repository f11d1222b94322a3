-- The snapshots: what each window holds, and how much of it was seen.
--
-- Grain: one row per window that has a snapshot.
-- Key: window_start, window_end
-- Columns:
--   snapshot_id: the committed snapshot of the window
--   snapshot_date: the UTC day on which the window began
--   window_start: the window's first moment
--   window_end: the first moment after the window
--   started_at: when the first look began
--   observed_at: when the last look ended
--   targets: accounts and regions in the snapshot
--   targets_seen: of those, how many were seen
--   targets_complete: of those, how many were seen from the first page to the last
--   builders: image builders in the snapshot
--   pages: pages received
--   retries: calls that were tried again

select
    snapshot_id,
    snapshot_date,
    window_start,
    window_end,
    min(started_at) as started_at,
    max(observed_at) as observed_at,
    count(*) as targets,
    count(case when status = 'ok' then 1 end) as targets_seen,
    count(case when complete then 1 end) as targets_complete,
    cast(sum(builders) as bigint) as builders,
    cast(sum(pages) as bigint) as pages,
    cast(sum(retries) as bigint) as retries
from extracts
group by
    snapshot_id,
    snapshot_date,
    window_start,
    window_end
