-- Every version but the last of each builder: the next one says how it ended.

select *
from live.image_builder_history
qualify lead(valid_from) over (partition by arn order by valid_from) is not null
