-- How long image builders were in one condition: what running_spans and the findings are made of. All states that
-- are billed are one condition, BILLED; any other state is one of its own. A look that failed ends no stretch, nor does
-- one that AWS left the image builder out of: it was seen again with the same created_time.
--
-- Grain: one row per image builder and unbroken stretch of one condition, instance type, platform and volume size.
-- Key: arn, first_seen_at
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   condition: BILLED, or the state; UNKNOWN where AWS told none
--   instance_type: its instance type in this stretch
--   platform: its operating system in this stretch
--   volume_gb: its root volume in this stretch, in GB
--   first_seen_at: when it was seen so first
--   last_seen_at: when it was seen so last
--   started_after: the latest moment at which it is known not to have been so: seen otherwise, not there, or not yet
--     created; null where none is known
--   ended_before: the earliest moment after it at which it is known not to have been so; null while the stretch is open
--   is_open: whether nothing says that the stretch has ended
--   hours_low: the least it can have lasted: from first_seen_at to last_seen_at, to the second
--   hours_high: the most it can have lasted: from started_after to ended_before, or while it is open to the newest look
--     at its target, however that went; null where started_after is

with sightings as (
    select
        sightings.account_id,
        sightings.region,
        sightings.arn,
        sightings.name,
        case
            when states.is_billed then 'BILLED'
            else coalesce(sightings.state, 'UNKNOWN')
        end as condition,
        sightings.instance_type,
        sightings.platform,
        sightings.root_volume_config_volume_size_in_gb as volume_gb,
        sightings.created_time,
        sightings.observed_at,
        sightings.complete_no,
        sightings.completes_before,
        sightings.previous_complete_at,
        sightings.next_complete_at
    from image_builder_sightings as sightings
    left join image_builder_states as states
        on sightings.state = states.state
),

marked as (
    select
        *,
        lag(observed_at) over builder as previous_seen_at,
        lag(next_complete_at) over builder as previous_next_complete_at,
        lag(arn) over builder is null as is_first,
        coalesce(completes_before > lag(complete_no) over builder, false)
        and not coalesce(created_time = lag(created_time) over builder, false) as is_back,
        coalesce(created_time <> lag(created_time) over builder, false) as is_recreated,
        condition is distinct from lag(condition) over builder
        or instance_type is distinct from lag(instance_type) over builder
        or platform is distinct from lag(platform) over builder
        or volume_gb is distinct from lag(volume_gb) over builder as is_changed,
        lead(arn) over builder is null as is_last
    from sightings
    window builder as (
        partition by arn
        order by observed_at
    )
),

-- The first sighting of every stretch, and the last of every builder.
edges as (
    select
        *,
        is_first or is_back or is_recreated or is_changed as is_start
    from marked
    where is_first or is_back or is_recreated or is_changed or is_last
),

starts as (
    select
        *,
        lead(is_start) over builder as next_is_start,
        lead(is_back) over builder as next_is_back,
        lead(is_recreated) over builder as next_is_recreated,
        lead(created_time) over builder as next_created_time,
        lead(observed_at) over builder as next_observed_at,
        lead(previous_seen_at) over builder as next_previous_seen_at,
        lead(previous_next_complete_at) over builder as next_previous_next_complete_at,
        lead(next_complete_at) over builder as next_next_complete_at,
        case
            when is_first or is_back then previous_complete_at
            else previous_seen_at
        end as previous_at
    from edges
    window builder as (
        partition by arn
        order by observed_at
    )
),

-- How far knowledge goes: a target that nobody looks at any more adds nothing to what it was known to have.
newest as (
    select
        account_id,
        region,
        max(observed_at) as look_at
    from looks
    group by
        account_id,
        region
),

bounds as (
    select
        *,
        case
            when next_is_start is null then observed_at
            when not next_is_start then next_observed_at
            else next_previous_seen_at
        end as last_seen_at,
        case
            when not is_first and not is_back and not is_recreated then previous_seen_at
            when previous_at is null or created_time > previous_at then created_time
            else previous_at
        end as known_after,
        case
            when next_is_start is null then next_complete_at
            when not next_is_start then next_next_complete_at
            when next_is_back then next_previous_next_complete_at
            -- It ended when the next of its name was created, unless AWS's clock says that before we saw it last.
            when next_is_recreated and next_created_time >= next_previous_seen_at
                then least(next_created_time, next_observed_at)
            else next_observed_at
        end as ended_before
    from starts
    where is_start
),

-- What AWS's clock says of its creation may be a little later than what ours says of its first sighting.
spans as (
    select
        *,
        case
            when known_after > observed_at then observed_at
            else known_after
        end as started_after
    from bounds
)

select
    spans.account_id,
    spans.region,
    spans.arn,
    spans.name,
    spans.condition,
    spans.instance_type,
    spans.platform,
    spans.volume_gb,
    spans.observed_at as first_seen_at,
    spans.last_seen_at,
    spans.started_after,
    spans.ended_before,
    spans.ended_before is null as is_open,
    cast(
        date_diff('second', date_trunc('second', spans.observed_at), date_trunc('second', spans.last_seen_at))
        as double
    ) / 3600 as hours_low,
    cast(
        date_diff(
            'second',
            date_trunc('second', spans.started_after),
            date_trunc('second', coalesce(spans.ended_before, greatest(newest.look_at, spans.last_seen_at)))
        )
        as double
    ) / 3600 as hours_high
from spans
join newest
    on spans.account_id = newest.account_id and spans.region = newest.region
