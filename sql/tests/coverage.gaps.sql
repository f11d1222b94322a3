-- A target was not seen in more windows than there were.

select
    account_id,
    region,
    windows,
    windows_seen,
    gaps
from coverage
where
    gaps < 0
    or windows_seen > windows
