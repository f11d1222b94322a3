-- The image builders as they are now, as far as we could look: the newest complete look at each target,
-- refreshed by any later look that saw some of it. A target that fails keeps its builders, and says so; one that
-- the configuration no longer names is not here, but in image_builders and image_builders_as_of.
--
-- Grain: one row per image builder.
-- Key: arn
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
    from recent_looks
),

-- When the newest run planned that looked at all of the configuration: what it did not name is gone from here.
configured as (
    select max(configured_at) as configured_at
    from known
),

targets as (
    select
        known.account_id,
        known.region,
        max(case when known.complete then known.observed_at end) as complete_at,
        max(known.observed_at) as last_look_at,
        max(case when known.age = 1 then known.status end) as last_look_status
    from known
    cross join configured
    group by
        known.account_id,
        known.region
    having
        max(configured.configured_at) is null
        or max(
            case
                when known.is_configured and known.configured_at >= configured.configured_at then 1
                when known.is_configured is null and known.observed_at >= configured.configured_at then 1
            end
        ) = 1
),

-- The newest complete look at each target, and every later look that saw some of it: where that one refreshed a snapshot
-- of an older complete look, only the rows that it refreshed.
sources as (
    select
        known.snapshot_id,
        known.snapshot_date,
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
        known.snapshot_date,
        targets.account_id,
        targets.region,
        targets.complete_at
),

newest as (
    select
        image_builders.arn,
        max_by(image_builders.snapshot_id, image_builders.observed_at) as snapshot_id,
        max_by(image_builders.snapshot_date, image_builders.observed_at) as snapshot_date
    from sources
    join raw.recent_image_builders as image_builders
        on
            sources.snapshot_date = image_builders.snapshot_date
            and sources.snapshot_id = image_builders.snapshot_id
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
join raw.recent_image_builders as image_builders
    on
        newest.snapshot_date = image_builders.snapshot_date
        and newest.snapshot_id = image_builders.snapshot_id
        and newest.arn = image_builders.arn
join targets
    on image_builders.account_id = targets.account_id and image_builders.region = targets.region
