-- builders by window

select
    snapshot_date,
    builders as number
from snapshots
order by window_start desc
limit 14
