-- The last one of each builder: it may go on.

select *
from live.image_builder_history
qualify lead(valid_from) over (partition by arn order by valid_from) is null
