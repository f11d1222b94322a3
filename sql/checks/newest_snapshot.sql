-- The newest snapshot, or that of a window where one is given.

select max(snapshot_id) as snapshot_id
from extracts
where $window_start is null or window_start = cast($window_start as timestamptz)
