-- The image builders as they were at a moment, as far as we had looked by then: what image_builders_current
-- would have told, at the precision of a window.
--
-- Grain: one row per image builder.
-- Key: arn
-- Parameters: moment timestamptz
-- Columns:
--   image_builders.*: as there
--   last_look_at: when the target was looked at last, however that went
--   last_look_status: how that went
--   is_last_look_failed: whether that look failed, so that the row tells of an earlier one

with known as (
    select
        *,
        row_number() over (
            partition by account_id, region
            order by observed_at desc, is_kept
        ) as age
    from looks
    where observed_at <= moment
),

-- The newest plan of all of the configuration, and the targets that it names. Of a target that
-- was looked at again later in that window we know the look before, not that it was removed.
configured as (
    select max(configured_at) as configured_at
    from known
),

members as (
    select
        looks.account_id,
        looks.region
    from looks
    cross join configured
    where looks.window_start <= moment
    group by
        looks.account_id,
        looks.region
    having
        max(configured.configured_at) is null
        or max(
            case
                when looks.is_configured and looks.configured_at >= configured.configured_at then 1
                when looks.is_configured is null and looks.observed_at >= configured.configured_at then 1
            end
        ) = 1
),

targets as (
    select
        known.account_id,
        known.region,
        max(case when known.complete then known.observed_at end) as complete_at,
        max(known.observed_at) as last_look_at,
        max(case when known.age = 1 then known.status end) as last_look_status
    from known
    join members
        on known.account_id = members.account_id and known.region = members.region
    group by
        known.account_id,
        known.region
),

-- The newest complete look at each target, and every later look that saw some of it: where that one refreshed a snapshot
-- of an older complete look, only the rows that it refreshed.
sources as (
    select
        known.snapshot_id,
        targets.account_id,
        targets.region,
        targets.complete_at,
        max(case when known.is_kept then 1 else 0 end) as is_whole
    from known
    join targets
        on known.account_id = targets.account_id and known.region = targets.region
    where
        known.status = 'ok'
        and (targets.complete_at is null or known.observed_at >= targets.complete_at)
    group by
        known.snapshot_id,
        targets.account_id,
        targets.region,
        targets.complete_at
),

newest as (
    select
        image_builders.arn,
        max_by(image_builders.snapshot_id, image_builders.observed_at) as snapshot_id
    from sources
    join raw.image_builders
        on
            sources.snapshot_id = image_builders.snapshot_id
            and sources.account_id = image_builders.account_id
            and sources.region = image_builders.region
    where
        sources.is_whole = 1
        or sources.complete_at is null
        or image_builders.observed_at >= sources.complete_at
    group by image_builders.arn
)

select
    image_builders.*,
    targets.last_look_at,
    targets.last_look_status,
    targets.last_look_status <> 'ok' as is_last_look_failed
from newest
join raw.image_builders
    on newest.snapshot_id = image_builders.snapshot_id and newest.arn = image_builders.arn
join targets
    on image_builders.account_id = targets.account_id and image_builders.region = targets.region
