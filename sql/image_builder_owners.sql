-- Whose image builders are: the newest value of the first of the owner tags (owner_tags) that each has, in any case of
-- letters. Those of image builders that are gone are here too.
--
-- Grain: one row per image builder that has ever had an owner's tag.
-- Columns:
--   arn: the image builder
--   owner: the tag's value
--   tag_key: the tag, as it is written there
--   snapshot_id: the newest snapshot that tells it

with ranked as (
    select
        tags.arn,
        tags.tag_value as owner,
        tags.tag_key,
        tags.snapshot_id,
        row_number() over (
            partition by tags.arn
            order by tags.snapshot_id desc, owner_tags.rank, tags.tag_key
        ) as rank
    from image_builder_tags as tags
    join owner_tags
        on lower(tags.tag_key) = owner_tags.tag_key
    where tags.tag_value <> ''
)

select
    arn,
    owner,
    tag_key,
    snapshot_id
from ranked
where rank = 1
