-- A window has one snapshot.

select
    window_start,
    window_end,
    count(*) as snapshots
from snapshots
group by
    window_start,
    window_end
having count(*) > 1
