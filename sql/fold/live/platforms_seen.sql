-- The operating systems of all image builders that are folded, and of those since.

select platform
from folded.open_platforms_seen
union all
select platform
from raw.unfolded_image_builders
