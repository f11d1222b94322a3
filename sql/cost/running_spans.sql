-- How long image builders ran: every unbroken stretch in which AWS billed them, RUNNING or in another billed state
-- (image_builder_states), with the least and the most that it can have lasted, by the spacing of the looks. Between two
-- looks that both saw it running it is taken to have run.
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
--   started_after: the latest moment at which it is known not to have been running so, or not yet to have been there;
--     null where none is known
--   ended_before: the earliest moment after it at which it is known not to have been running so; null while it runs
--   is_open: whether nothing says that it has stopped
--   hours_low: the least it can have run: from first_seen_at to last_seen_at
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
    spans.started_after,
    spans.ended_before,
    spans.is_open,
    spans.hours_low,
    spans.hours_high
from image_builder_spans as spans
left join image_builder_owners as owners
    on spans.arn = owners.arn
where spans.condition = 'BILLED'
