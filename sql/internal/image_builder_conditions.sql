-- In which condition image builders were, and for how long: what the rules of findings that count hours go by. A piece of
-- image_builder_pieces ends where the instance type, the platform or the volume is told otherwise, for that is another
-- price. Here it is one for as long as the image builder is in its condition.
--
-- Grain: one row per image builder and unbroken time in one condition.
-- Key: arn, first_seen_at
-- Not null: condition, looks, is_open
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   condition: BILLED, or the state; UNKNOWN where AWS told none
--   first_seen_at: when it was seen so first
--   last_seen_at: when it was seen so last
--   proven_since: since when looks that are close together saw it so, up to last_seen_at
--   known_after: the latest moment at which it is known not to have been so; null where none is known
--   watched_until: when the newest look at its target ended, however it went
--   looks: how many looks saw it so
--   first_look_no: the number of the look that saw it so first, as image_builder_sightings.look_no
--   watched_looks: how many successful looks there were at its target
--   seconds_apart: how many seconds lie between the two looks that are farthest apart of those that saw it so and do not
--     prove what lies between; null where all do
--   is_open: whether nothing says that it has ended

with marked as (
    select
        *,
        case
            when
                began in ('changed', 'apart')
                and previous_condition = condition
                then 0
            else 1
        end as is_new
    from image_builder_pieces
),

numbered as (
    select
        *,
        sum(is_new) over (
            partition by account_id, region, arn, name
            order by first_seen_at
            rows between unbounded preceding and current row
        ) as stretch
    from marked
)

select
    account_id,
    region,
    arn,
    name,
    condition,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    max(case when is_new = 1 or is_apart then first_seen_at end) as proven_since,
    max(case when is_new = 1 then known_after end) as known_after,
    max(watched_until) as watched_until,
    cast(sum(looks) as integer) as looks,
    min(first_look_no) as first_look_no,
    max(watched_looks) as watched_looks,
    max(
        case
            when is_new = 0 and is_apart
                then cast(floor(epoch(first_seen_at)) - floor(epoch(known_after)) as double)
        end
    ) as seconds_apart,
    max(case when known_until is null then 1 else 0 end) = 1 as is_open
from numbered
group by
    account_id,
    region,
    arn,
    name,
    condition,
    stretch
