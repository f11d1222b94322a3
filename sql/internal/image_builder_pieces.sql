-- What the looks prove of every image builder, piece by piece: it was seen in one condition by looks that are close
-- together. All states that are billed are one condition, BILLED; any other state is one of its own. Two looks that
-- are farther apart than close_looks prove nothing of what lies between, nor do two at which its network interface was
-- not the same one: what AWS documents does not say that another interface means that it was started anew, nor that it
-- does not. A look that failed ends no piece, nor does one that AWS left the image builder out of: it was seen again
-- with the same created_time.
--
-- Grain: one row per image builder and unbroken piece of one condition, instance type, platform and volume size.
-- Key: arn, first_seen_at
-- Not null: condition, began, is_apart, looks
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   condition: BILLED, or the state; UNKNOWN where AWS told none
--   instance_type: its instance type in this piece
--   platform: its operating system in this piece
--   volume_gb: its root volume in this piece, in GB
--   began: why it is a piece of its own: first_seen, back (it was gone before), recreated, changed (condition, instance
--     type, platform or volume) or apart (the same as before, and nothing proves what was between)
--   is_apart: whether what was between the piece before and this one is not proven
--   first_seen_at: when it was seen so first
--   last_seen_at: when it was seen so last
--   first_look_no: the number of the look that saw it so first, as image_builder_sightings.look_no
--   looks: how often it was seen so
--   known_after: the last sighting before it; where it had not been there, when it was created or last known not to be
--     there; null where nothing is known
--   is_since_created: whether known_after is when it was created
--   known_until: the first sighting after it, or when it is known to be gone; null while nothing says that it has ended
--   ended: changed, apart, recreated or deleted; null while nothing says that it has ended
--   previous_condition: the condition of the piece before; null where there is none, as in the three that follow
--   previous_instance_type: its instance type
--   previous_platform: its operating system
--   previous_known_until: its known_until
--   watched_since: when the first successful look at its target ended
--   watched_until: when the newest look at its target ended, however it went
--   watched_looks: how many successful looks there were at its target

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
        sightings.network_access_configuration_eni_id as eni_id,
        sightings.created_time,
        sightings.observed_at,
        sightings.look_no,
        sightings.complete_no,
        sightings.completes_before,
        sightings.previous_complete_at,
        sightings.next_complete_at,
        close_looks.seconds as close_seconds
    from image_builder_sightings as sightings
    cross join close_looks
    left join image_builder_states as states
        on sightings.state = states.state
),

marked as (
    select
        *,
        row_number() over builder as sighting_no,
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
        coalesce(
            floor(epoch(observed_at)) - floor(epoch(lag(observed_at) over builder)) > close_seconds
            or eni_id <> lag(eni_id) over builder,
            false
        ) as is_apart,
        lead(arn) over builder is null as is_last
    from sightings
    window builder as (
        partition by account_id, region, arn, name
        order by observed_at
    )
),

-- The first sighting of every piece, and the last of every builder.
edges as (
    select
        *,
        is_first or is_back or is_recreated or is_changed or is_apart as is_start
    from marked
    where is_first or is_back or is_recreated or is_changed or is_apart or is_last
),

starts as (
    select
        *,
        lead(is_start) over builder as next_is_start,
        lead(is_back) over builder as next_is_back,
        lead(is_recreated) over builder as next_is_recreated,
        lead(is_changed) over builder as next_is_changed,
        lead(created_time) over builder as next_created_time,
        lead(observed_at) over builder as next_observed_at,
        lead(sighting_no) over builder as next_sighting_no,
        lead(previous_seen_at) over builder as next_previous_seen_at,
        lead(previous_next_complete_at) over builder as next_previous_next_complete_at,
        lead(next_complete_at) over builder as next_next_complete_at,
        case
            when is_first or is_back then previous_complete_at
            else previous_seen_at
        end as previous_at
    from edges
    window builder as (
        partition by account_id, region, arn, name
        order by observed_at
    )
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
            when next_is_start is null then 1
            when not next_is_start then next_sighting_no - sighting_no + 1
            else next_sighting_no - sighting_no
        end as looks,
        (is_first or is_back or is_recreated)
        and coalesce(previous_at is null or created_time > previous_at, false)
        and created_time is not null as is_since_created,
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
        end as known_until
    from starts
    where is_start
),

followed as (
    select
        *,
        lag(condition) over builder as previous_condition,
        lag(instance_type) over builder as previous_instance_type,
        lag(platform) over builder as previous_platform,
        lag(known_until) over builder as previous_known_until
    from bounds
    window builder as (
        partition by account_id, region, arn, name
        order by observed_at
    )
)

-- What AWS's clock says of its creation may be a little later than what ours says of its first sighting.
select
    pieces.account_id,
    pieces.region,
    pieces.arn,
    pieces.name,
    pieces.condition,
    pieces.instance_type,
    pieces.platform,
    pieces.volume_gb,
    case
        when pieces.is_first then 'first_seen'
        when pieces.is_back then 'back'
        when pieces.is_recreated then 'recreated'
        when pieces.is_changed then 'changed'
        else 'apart'
    end as began,
    pieces.is_apart,
    pieces.observed_at as first_seen_at,
    pieces.last_seen_at,
    pieces.look_no as first_look_no,
    cast(pieces.looks as integer) as looks,
    case
        when pieces.known_after > pieces.observed_at then pieces.observed_at
        else pieces.known_after
    end as known_after,
    pieces.is_since_created,
    pieces.known_until,
    case
        when pieces.known_until is null then null
        when not coalesce(pieces.next_is_start, false) or pieces.next_is_back then 'deleted'
        when pieces.next_is_recreated then 'recreated'
        when pieces.next_is_changed then 'changed'
        else 'apart'
    end as ended,
    pieces.previous_condition,
    pieces.previous_instance_type,
    pieces.previous_platform,
    pieces.previous_known_until,
    watched.watched_since,
    watched.watched_until,
    watched.watched_looks
from followed as pieces
join watched_targets as watched
    on pieces.account_id = watched.account_id and pieces.region = watched.region
