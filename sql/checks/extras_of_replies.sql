-- The members that the contract does not declare, of the newest snapshot's replies.

select extra
from extracts
where
    snapshot_id = (
        select max(snapshot_id)
        from extracts
        where $window_start is null or window_start = cast($window_start as timestamptz)
    )
    and extra is not null
