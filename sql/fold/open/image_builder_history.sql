-- The last one of each builder: it may go on.

select *
from live.image_builder_history
qualify lead(valid_from) over (partition by account_id, region, arn, name order by valid_from) is null
