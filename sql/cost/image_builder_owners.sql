-- The owner of each image builder: the value of the first of the owner tags (owner_tags) that each has, as of the newest
-- look that told its tags; one that is gone keeps the owner it had last.
--
-- Grain: one row per image builder whose tags name an owner, as far as they were told.
-- Key: arn
-- Columns:
--   arn: the image builder
--   owner: the tag's value
--   tag_key: the tag, as it is written there
--   snapshot_id: the snapshot that told it first

select
    arn,
    owner,
    tag_key,
    snapshot_id
from (
    select
        *,
        lead(told_at) over (
            partition by arn
            order by told_at
        ) as next_told_at
    from image_builder_owner_history
) as owners
where
    next_told_at is null
    and owner is not null
