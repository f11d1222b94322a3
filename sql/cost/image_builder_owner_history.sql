-- The owners of each image builder, one after another: the value of the first of the owner tags (owner_tags) that each
-- has, in any case of letters, at the looks that told its tags. Where AWS told the tags of some and refused those of
-- others, or where they were not asked for, the others keep what was told of them before.
--
-- Grain: one row per image builder whose tags were told, and owner that it had one after another.
-- Key: arn, told_at
-- Columns:
--   arn: the image builder
--   owner: the tag's value; null where its tags named none
--   tag_key: the tag, as it is written there
--   snapshot_id: the snapshot that told it first
--   told_at: when the image builder was seen with it first
--   owned_from: the first day that counts as this owner's; null of the first owner: nothing was told before
--   owned_to: the first day that counts as another's; null of the last one

with ranked as (
    select
        tags.arn,
        tags.snapshot_id,
        tags.tag_value as owner,
        tags.tag_key,
        row_number() over (
            partition by tags.arn, tags.snapshot_id
            order by owner_tags.rank, tags.tag_key
        ) as rank
    from raw.image_builder_tags as tags
    join owner_tags
        on lower(tags.tag_key) = owner_tags.tag_key
    where tags.tag_value <> ''
),

told as (
    select
        sightings.arn,
        sightings.snapshot_id,
        sightings.observed_at,
        ranked.owner,
        ranked.tag_key,
        lag(sightings.arn) over builder is null as is_first,
        ranked.owner is distinct from lag(ranked.owner) over builder
        or ranked.tag_key is distinct from lag(ranked.tag_key) over builder as is_changed
    from image_builder_tags_told as sightings
    left join ranked
        on
            sightings.arn = ranked.arn
            and sightings.snapshot_id = ranked.snapshot_id
            and ranked.rank = 1
    window builder as (
        partition by sightings.arn
        order by sightings.observed_at
    )
)

select
    arn,
    owner,
    tag_key,
    snapshot_id,
    observed_at as told_at,
    case
        when not is_first then cast(observed_at at time zone 'UTC' as date)
    end as owned_from,
    cast(lead(observed_at) over builder at time zone 'UTC' as date) as owned_to
from told
where is_first or is_changed
window builder as (
    partition by arn
    order by observed_at
)
