-- The day of the last look at each target.

select *
from live.looks_by_day
qualify lead(look_date) over (partition by account_id, region order by look_date) is null
