-- The last one of each builder, as far as it says how the one begins that goes on from it.

select
    arn,
    began,
    is_apart,
    first_seen_at,
    last_seen_at,
    first_look_no,
    looks,
    known_after,
    is_since_created,
    previous_condition,
    previous_instance_type,
    previous_platform,
    previous_known_until
from live.image_builder_pieces
qualify lead(first_seen_at) over (partition by arn order by first_seen_at) is null
