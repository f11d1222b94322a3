-- Each image builder through time: a version of it for every change of its own attributes, as slowly changing
-- dimension of type 2. What was not observed is no change: a look that failed neither ends a version nor begins one.
-- Only a complete look that did not see it ends the last version. The lists of a builder have no versions here; their
-- changes are in image_builder_changes.
--
-- Grain: one row per image builder and version of its attributes.
-- Key: arn, version
-- Not null: valid_from, began
-- Columns:
--   image_builders.*: as first seen in this version
--   version: the version's number, from 1
--   valid_from: when it was seen first; it may have begun at any moment after changed_after
--   valid_to: when the next version was seen first, or the first complete look that did not see the image builder;
--     null for the newest version of one that was not proved gone
--   is_current: whether valid_to is null
--   changed_after: the last moment at which something else was known: the previous version seen, or the builder not
--     there; null where nothing was
--   last_seen_at: when this version was seen last
--   began: first_seen (no earlier complete look at the target could have seen it), created (one did not), recreated
--     (its created_time is another, so the one of that name before is gone), seen_again (its created_time is the same,
--     so AWS had only left it out) or changed
--   ended: changed, recreated, deleted, or unseen where it was seen again with the same created_time; null while it is
--     current

-- The first sighting of every version, and the last of every builder.
with edges as (
    select
        *,
        is_first or is_back or is_changed as is_version
    from image_builder_comparisons
    where is_first or is_back or is_changed or is_last
),

versions as (
    select
        *,
        row_number() over builder as edge,
        lead(is_version) over builder as next_is_version,
        lead(is_back) over builder as next_is_back,
        lead(is_same) over builder as next_is_same,
        lead(is_recreated) over builder as next_is_recreated,
        lead(observed_at) over builder as next_observed_at,
        lead(previous_seen_at) over builder as next_previous_seen_at,
        lead(previous_next_complete_at) over builder as next_previous_next_complete_at,
        lead(next_complete_at) over builder as next_next_complete_at
    from edges
    window builder as (
        partition by account_id, region, arn, name
        order by observed_at
    )
),

-- Only the last edge of a builder may be no version, so the number of the edge is that of the version.
ends as (
    select
        *,
        case
            when next_is_version is null then next_complete_at
            when not next_is_version then next_next_complete_at
            when next_is_back then next_previous_next_complete_at
            else next_observed_at
        end as valid_to
    from versions
    where is_version
)

select
    *,
    edge as version,
    observed_at as valid_from,
    valid_to is null as is_current,
    case
        when is_first or is_back then previous_complete_at
        else previous_seen_at
    end as changed_after,
    case
        when next_is_version is null then observed_at
        when not next_is_version then next_observed_at
        else next_previous_seen_at
    end as last_seen_at,
    case
        when is_back and is_same then 'seen_again'
        when is_back then 'created'
        when is_first and completes_before > 0 then 'created'
        when is_first then 'first_seen'
        when is_recreated then 'recreated'
        else 'changed'
    end as began,
    case
        when valid_to is null then null
        when next_is_version and next_is_back and next_is_same then 'unseen'
        when next_is_version is null or not next_is_version or next_is_back then 'deleted'
        when next_is_recreated then 'recreated'
        else 'changed'
    end as ended
from ends
