-- The tags that those told.

select
    tags.arn,
    tags.snapshot_id,
    tags.tag_key,
    tags.tag_value
from raw.unfolded_image_builder_tags as tags
join made.image_builder_tags_told as told
    on tags.arn = told.arn and tags.snapshot_id = told.snapshot_id
