-- The last one of each builder, as far as it says how the one begins that goes on from it.

select
    arn,
    first_seen_at,
    proven_since,
    known_after,
    looks,
    first_look_no,
    seconds_apart
from live.image_builder_conditions
qualify lead(first_seen_at) over (partition by arn order by first_seen_at) is null
