-- What the rules of findings are held against: every image builder as it is now, with what is known of it elsewhere, for how
-- long it has been in its state among it. The conditions of rules, one's own among them, name these columns.
--
-- Grain: one row per image builder that is there now.
-- Key: arn
-- Columns:
--   image_builders.*: as there
--   is_last_look_failed: whether the last look at its target failed, so that the row tells of an earlier one
--   owner: its owner, if its tags name one
--   is_billed: whether AWS bills its instance in its state; null for a state that nobody has heard of
--   hours_low: for how many hours it has been in its state (all billed ones are one), by what looks prove
--   hours_seen: the same, from the first look to the last of those that saw it so, however far apart
--   hours_high: the same, at most
--   seen: how many looks saw it so, of how many, and how far they were apart, in words
--   endpoints: its access endpoints
--   errors: its errors
--   error_code: one of their codes

-- What image builders are in now, and since when: what is proven, what each look saw, and what can be.
with stretches as (
    select
        arn,
        condition,
        cast(
            floor(epoch(last_seen_at)) - floor(epoch(proven_since)) as double
        ) / 3600 as hours_low,
        cast(
            floor(epoch(last_seen_at)) - floor(epoch(first_seen_at)) as double
        ) / 3600 as hours_seen,
        cast(
            floor(epoch(watched_until)) - floor(epoch(known_after)) as double
        ) / 3600 as hours_high,
        concat(
            'seen so at ',
            cast(looks as varchar),
            ' of ',
            cast(greatest(watched_looks - first_look_no + 1, looks) as varchar),
            case when watched_looks - first_look_no + 1 > 1 then ' looks' else ' look' end,
            case
                when seconds_apart is null then ''
                else concat(
                    ', up to ', cast(cast(round(cast(seconds_apart as double) / 3600) as bigint) as varchar), ' h apart'
                )
            end
        ) as seen
    from image_builder_conditions
    where is_open
),

endpoints as (
    select
        arn,
        count(*) as endpoints
    from image_builder_access_endpoints_current
    group by arn
),

errors as (
    select
        arn,
        count(*) as errors,
        min(error_code) as error_code
    from image_builder_errors_current
    group by arn
)

select
    builders.*,
    owners.owner,
    states.is_billed,
    stretches.hours_low,
    stretches.hours_seen,
    stretches.seen,
    stretches.hours_high,
    coalesce(endpoints.endpoints, 0) as endpoints,
    coalesce(errors.errors, 0) as errors,
    errors.error_code
from image_builders_current as builders
left join image_builder_states as states
    on builders.state = states.state
left join stretches
    on
        builders.arn = stretches.arn
        and stretches.condition = case when states.is_billed then 'BILLED' else builders.state end
left join endpoints
    on builders.arn = endpoints.arn
left join errors
    on builders.arn = errors.arn
left join image_builder_owners as owners
    on builders.arn = owners.arn
