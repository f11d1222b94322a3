-- How long image builders were in one condition, as the looks saw it: what running_spans is made of. All states that
-- are billed are one condition, BILLED; any other state is one of its own. A stretch goes on where two looks saw the
-- same, however far they are apart; what is proven of it are the pieces of image_builder_pieces.
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
--   proven_since: since when looks that are close together saw it so, up to last_seen_at
--   looks: how many looks saw it so
--   looks_apart: how many hours the widest of the gaps between them has that are too wide to prove what lies between;
--     null where there is none
--   started_after: the latest moment at which it is known not to have been so: seen otherwise, not there, or not yet
--     created; null where none is known
--   ended_before: the earliest moment after it at which it is known not to have been so; null while the stretch is open
--   is_open: whether nothing says that the stretch has ended
--   hours_low: the least that it was so in this stretch: between looks that are close together, to the second
--   hours_estimate: what is most likely: from first_seen_at to last_seen_at, and half of the time in which it changed
--     or went; all of the time since it was created, or since the first look at its target if that is later, and up to
--     the newest look at its target while it is open
--   hours_high: the most it can have lasted: from started_after to ended_before, or while it is open to the newest look
--     at its target, however that went; null where started_after is

select
    account_id,
    region,
    arn,
    name,
    condition,
    instance_type,
    platform,
    volume_gb,
    first_seen_at,
    last_seen_at,
    proven_since,
    looks,
    looks_apart,
    started_after,
    ended_before,
    ended_before is null as is_open,
    seconds_low / 3600 as hours_low,
    cast(
        floor(epoch(last_seen_at)) - floor(epoch(first_seen_at))
        + seconds_before
        + seconds_after
        as double
    ) / 3600 as hours_estimate,
    cast(
        floor(epoch(coalesce(ended_before, greatest(watched_until, last_seen_at)))) - floor(epoch(started_after))
        as double
    ) / 3600 as hours_high
from image_builder_stretches
