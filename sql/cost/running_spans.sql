-- How long image builders ran: every unbroken stretch in which AWS billed them, RUNNING or in another billed state
-- (image_builder_states), as the looks saw it. A stretch goes on where two looks saw it running, however far they are
-- apart; hours_low counts what looks that are close together (close_looks) prove of it.
--
-- Grain: one row per image builder and unbroken stretch of running.
-- Key: arn, first_seen_at
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   owner: its owner, if its tags name one
--   instance_type: its instance type in this stretch; another one begins another stretch
--   platform: its operating system in this stretch, likewise
--   volume_gb: its root volume in this stretch, in GB, likewise
--   first_seen_at: when it was seen running first
--   last_seen_at: when it was seen running last
--   proven_since: since when looks that are close together saw it running, up to last_seen_at
--   looks: how many looks saw it running
--   looks_apart: how many hours the widest of the gaps between them has that are too wide to prove what lies between;
--     null where there is none
--   started_after: the latest moment at which it is known not to have been running so, or not yet to have been there;
--     null where none is known
--   ended_before: the earliest moment after it at which it is known not to have been running so; null while it runs
--   is_open: whether nothing says that it has stopped
--   hours_low: the least it can have run: between looks that are close together
--   hours_estimate: what is most likely: all the time from first_seen_at to last_seen_at, half of the time in which it
--     was started or stopped, and since it was created, or its target was looked at, where it has run from the beginning
--   hours_high: the most it can have run: from started_after to ended_before, or while it is open to the newest look at
--     its target, however that went; null where started_after is

select
    spans.account_id,
    spans.region,
    spans.arn,
    spans.name,
    owners.owner,
    spans.instance_type,
    spans.platform,
    spans.volume_gb,
    spans.first_seen_at,
    spans.last_seen_at,
    spans.proven_since,
    spans.looks,
    spans.looks_apart,
    spans.started_after,
    spans.ended_before,
    spans.is_open,
    spans.hours_low,
    spans.hours_estimate,
    spans.hours_high
from image_builder_spans as spans
left join image_builder_owners as owners
    on spans.arn = owners.arn
where spans.condition = 'BILLED'
