-- The looks that told the tags of an image builder, be there any or none. Files of before tags_observed_at say it of a
-- target: a look that told all tags told of each image builder that it saw; of one that AWS refused the tags of some, it
-- told of those that have some.
--
-- Grain: one row per image builder and snapshot that tells its tags.
-- Key: arn, snapshot_id
-- Not null: is_newest
-- Columns:
--   arn: the image builder
--   snapshot_id: the snapshot
--   observed_at: when its tags were told
--   is_newest: whether no later look told its tags

with sightings as (
    select
        builders.arn,
        builders.account_id,
        builders.region,
        builders.snapshot_id,
        builders.observed_at,
        builders.tags_observed_at,
        builders.tags_observed_at is not null or coalesce(looks.tags_status = 'ok', false) as is_told
    from looks
    join raw.image_builders as builders
        on
            looks.snapshot_id = builders.snapshot_id
            and looks.region = builders.region
            and looks.account_id = builders.account_id
    where
        looks.is_kept
        and (builders.tags_observed_at is not null or looks.tags_status is not null)
),

told as (
    select
        arn,
        snapshot_id,
        coalesce(tags_observed_at, observed_at) as observed_at
    from sightings
    where is_told
    union all
    select
        sightings.arn,
        sightings.snapshot_id,
        sightings.observed_at
    from sightings
    join (
        select distinct
            arn,
            snapshot_id
        from raw.image_builder_tags
    ) as tagged
        on sightings.snapshot_id = tagged.snapshot_id and sightings.arn = tagged.arn
    where not sightings.is_told
)

select
    arn,
    snapshot_id,
    observed_at,
    lead(arn) over (
        partition by arn
        order by observed_at, snapshot_id
    ) is null as is_newest
from told
