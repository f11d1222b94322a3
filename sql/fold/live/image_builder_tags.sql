-- The tags that those told.

select
    arn,
    snapshot_id,
    tag_key,
    tag_value
from folded.image_builder_tags
union all
select
    arn,
    snapshot_id,
    tag_key,
    tag_value
from raw.unfolded_image_builder_tags
