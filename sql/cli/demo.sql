-- What the demo tells of each day's snapshot.

select
    targets,
    targets_seen,
    builders,
    retries
from snapshots
where snapshot_id = $snapshot_id
