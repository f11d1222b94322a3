-- The stretches in which image builders were in one condition, with what the looks around them leave open: what
-- image_builder_spans counts the hours of. A stretch goes on where two looks saw the same, however far they are apart.
--
-- Grain: one row per image builder and unbroken stretch of one condition, instance type, platform and volume size.
-- Key: arn, first_seen_at
-- Not null: condition, looks, seconds_low, seconds_after
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
--   proven_since: since when looks that are close together saw it so, up to last_seen_at
--   looks: how many looks saw it so
--   looks_apart: how many hours the widest of the gaps between them has that are too wide to prove what lies between;
--     null where there is none
--   started_after: the latest moment at which it is known not to have been so; null where none is known
--   ended_before: the earliest moment after it at which it is known not to have been so; null while the stretch is open
--   watched_until: when the newest look at its target ended, however it went
--   seconds_low: for how long looks that are close together saw it so
--   seconds_before: for how long it is likely to have been so before it was seen first
--   seconds_after: likewise, after it was seen last

with numbered as (
    select
        *,
        lead(condition) over builder as next_condition,
        sum(case when began = 'apart' then 0 else 1 end) over (
            partition by account_id, region, arn, name
            order by first_seen_at
            rows between unbounded preceding and current row
        ) as stretch
    from image_builder_pieces
    window builder as (
        partition by account_id, region, arn, name
        order by first_seen_at
    )
),

lengths as (
    select
        *,
        floor(epoch(last_seen_at)) - floor(epoch(first_seen_at)) as seconds,
        floor(epoch(first_seen_at)) - floor(epoch(known_after)) as known_before,
        floor(epoch(first_seen_at)) - floor(epoch(watched_since)) as watched_before,
        floor(epoch(known_until)) - floor(epoch(last_seen_at)) as known_later,
        floor(epoch(watched_until)) - floor(epoch(last_seen_at)) as watched_later
    from numbered
),

pieces as (
    select
        *,
        case when began = 'apart' then cast(known_before as double) / 3600 end as apart,
        -- How long it is likely to have been so before its first sighting, and after its last.
        case
            when began = 'changed' and previous_condition = condition then 0
            when known_after is null then cast(greatest(watched_before, 0) as double) / 2
            when known_after < watched_since then greatest(watched_before, 0)
            when is_since_created then known_before
            else cast(known_before as double) / 2
        end as seconds_before,
        case
            when ended is null then greatest(watched_later, 0)
            when ended = 'changed' and next_condition = condition then known_later
            else cast(known_later as double) / 2
        end as seconds_after
    from lengths
)

select
    account_id,
    region,
    arn,
    name,
    condition,
    instance_type,
    platform,
    volume_gb,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    max(first_seen_at) as proven_since,
    cast(sum(looks) as integer) as looks,
    max(apart) as looks_apart,
    max(case when began <> 'apart' then known_after end) as started_after,
    max(case when ended is distinct from 'apart' then known_until end) as ended_before,
    max(watched_until) as watched_until,
    cast(sum(seconds) as double) as seconds_low,
    cast(max(case when began <> 'apart' then seconds_before end) as double) as seconds_before,
    cast(max(case when ended is distinct from 'apart' then seconds_after end) as double) as seconds_after
from pieces
group by
    account_id,
    region,
    arn,
    name,
    condition,
    instance_type,
    platform,
    volume_gb,
    stretch
