-- The last one of each builder: it may go on.

select *
from live.image_builder_conditions
qualify lead(first_seen_at) over (partition by arn order by first_seen_at) is null
