-- The last one of each builder, as far as it says how the one begins that goes on from it.

select
    arn,
    first_seen_at,
    looks,
    looks_apart,
    started_after,
    seconds_low,
    seconds_before
from live.image_builder_stretches
qualify lead(first_seen_at) over (partition by arn order by first_seen_at) is null
