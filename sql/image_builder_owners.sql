-- Whose image builders are, as of the newest look that was told their tags: the value of the first of the owner tags
-- (owner_tags) that each has, in any case of letters. One that is gone keeps the owner it had last.
--
-- Grain: one row per image builder that has an owner's tag, or had one when it was seen last.
-- Columns:
--   arn: the image builder
--   owner: the tag's value
--   tag_key: the tag, as it is written there
--   snapshot_id: the newest snapshot that tells it

with newest_looks as (
    select
        account_id,
        region,
        max(snapshot_id) as snapshot_id
    from extracts
    where tags_status = 'ok'
    group by
        account_id,
        region
),

-- Of these that look told the tags; where it told none, there are none any more.
told as (
    select
        image_builders.arn,
        newest_looks.snapshot_id
    from newest_looks
    join image_builders
        on
            newest_looks.snapshot_id = image_builders.snapshot_id
            and newest_looks.region = image_builders.region
            and newest_looks.account_id = image_builders.account_id
),

ranked as (
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
    ranked.arn,
    ranked.owner,
    ranked.tag_key,
    ranked.snapshot_id
from ranked
left join told
    on ranked.arn = told.arn
where
    ranked.rank = 1
    and (told.arn is null or told.snapshot_id = ranked.snapshot_id)
