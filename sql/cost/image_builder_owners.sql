-- The owner of each image builder: the value of the first of the owner tags (owner_tags) that each has, in any case of
-- letters, as of the newest look that told its tags. Where AWS told the tags of some and refused those of others,
-- the others keep what was told of them before; one that is gone keeps the owner it had last.
--
-- Grain: one row per image builder whose tags name an owner, as far as they were told.
-- Key: arn
-- Columns:
--   arn: the image builder
--   owner: the tag's value
--   tag_key: the tag, as it is written there
--   snapshot_id: the newest snapshot that tells its tags

with snapshots_of_targets as (
    select
        snapshot_id,
        account_id,
        region,
        coalesce(tags_status = 'ok', false) as is_whole
    from looks
    where is_kept
),

tags as (
    select
        tags.arn,
        tags.snapshot_id,
        tags.tag_key,
        tags.tag_value,
        looks.is_whole
    from snapshots_of_targets as looks
    join raw.image_builder_tags as tags
        on
            looks.snapshot_id = tags.snapshot_id
            and looks.region = tags.region
            and looks.account_id = tags.account_id
),

-- A look that told all tags told of each image builder that it saw; of another, those that have some.
sightings as (
    select
        builders.arn,
        builders.snapshot_id,
        builders.observed_at
    from snapshots_of_targets as looks
    join raw.image_builders as builders
        on
            looks.snapshot_id = builders.snapshot_id
            and looks.region = builders.region
            and looks.account_id = builders.account_id
    where looks.is_whole
    union all
    select
        builders.arn,
        builders.snapshot_id,
        builders.observed_at
    from (
        select distinct
            arn,
            snapshot_id
        from tags
        where not is_whole
    ) as tagged
    join raw.image_builders as builders
        on tagged.snapshot_id = builders.snapshot_id and tagged.arn = builders.arn
),

told as (
    select
        arn,
        max_by(snapshot_id, observed_at) as snapshot_id
    from sightings
    group by arn
),

ranked as (
    select
        tags.arn,
        tags.tag_value as owner,
        tags.tag_key,
        tags.snapshot_id,
        row_number() over (
            partition by tags.arn
            order by owner_tags.rank, tags.tag_key
        ) as rank
    from told
    join tags
        on told.arn = tags.arn and told.snapshot_id = tags.snapshot_id
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
