-- Every stretch but the last of each builder.

select *
from live.image_builder_spans
qualify lead(first_seen_at) over (partition by arn order by first_seen_at) is not null
