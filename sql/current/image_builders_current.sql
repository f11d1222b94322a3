-- The image builders as they are now, as far as we could look: the newest complete look at each target,
-- refreshed by any later look that saw some of it. A target that fails keeps its builders, and says so; one that
-- the configuration no longer names is not here, but in image_builders and image_builders_as_of.
--
-- Grain: one row per image builder.
-- Columns:
--   image_builders.*: as there
--   last_look_at: when the target was looked at last, however that went
--   last_look_status: how that went
--   is_last_look_failed: whether that look failed, so that the row tells of an earlier one

with looks as (
    select
        snapshot_id,
        snapshot_date,
        account_id,
        region,
        window_start,
        is_configured,
        status,
        complete,
        observed_at,
        coalesce(later_observed_at, observed_at) as last_look_at,
        coalesce(later_status, status) as last_look_status
    from recent_extracts
),

-- The newest window in which all of the configuration was looked at: what it no longer names is gone from here.
configured as (
    select max(case when is_configured is not null then window_start end) as window_start
    from looks
),

targets as (
    select
        looks.account_id,
        looks.region,
        max(case when looks.complete then looks.observed_at end) as complete_at,
        max(looks.last_look_at) as last_look_at,
        max_by(looks.last_look_status, looks.last_look_at) as last_look_status
    from looks
    cross join configured
    group by
        looks.account_id,
        looks.region
    having
        max(configured.window_start) is null
        or max(
            case when looks.window_start >= configured.window_start and coalesce(looks.is_configured, true) then 1 end
        ) = 1
),

-- The newest complete look at each target, and every later look that saw some of it.
sources as (
    select
        looks.snapshot_id,
        looks.snapshot_date,
        targets.*
    from looks
    join targets
        on looks.account_id = targets.account_id and looks.region = targets.region
    where
        looks.status = 'ok'
        and (targets.complete_at is null or looks.observed_at >= targets.complete_at)
),

newest as (
    select
        image_builders.arn,
        max_by(image_builders.snapshot_id, image_builders.observed_at) as snapshot_id,
        max_by(image_builders.snapshot_date, image_builders.observed_at) as snapshot_date
    from sources
    join raw.image_builders
        on
            sources.snapshot_date = image_builders.snapshot_date
            and sources.snapshot_id = image_builders.snapshot_id
            and sources.account_id = image_builders.account_id
            and sources.region = image_builders.region
    group by image_builders.arn
)

select
    image_builders.*,
    targets.last_look_at,
    targets.last_look_status,
    targets.last_look_status <> 'ok' as is_last_look_failed
from newest
join raw.image_builders
    on
        newest.snapshot_date = image_builders.snapshot_date
        and newest.snapshot_id = image_builders.snapshot_id
        and newest.arn = image_builders.arn
join targets
    on image_builders.account_id = targets.account_id and image_builders.region = targets.region
