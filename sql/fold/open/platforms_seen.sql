-- All of them.

select distinct platform
from live.platforms_seen
