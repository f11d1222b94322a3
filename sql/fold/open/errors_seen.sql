-- All of them: any may be seen again.

select *
from live.errors_seen
