-- Every error that an image builder has ever told, once, with when it was seen: what error_log is made of.
--
-- Grain: one row per image builder, error code, message and moment of the error.
-- Key: arn, error_code, error_message, error_timestamp
-- Not null: first_seen_at, last_seen_at, snapshots
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   error_code: the error's code
--   error_message: the error's message
--   error_timestamp: when the error occurred, as AWS says
--   first_seen_at: when a look saw it first
--   last_seen_at: when a look saw it last
--   snapshots: snapshots that have it

select
    errors.account_id,
    errors.region,
    errors.arn,
    errors.error_code,
    errors.error_message,
    errors.error_timestamp,
    min(builders.observed_at) as first_seen_at,
    max(builders.observed_at) as last_seen_at,
    count(distinct errors.snapshot_id) as snapshots
from image_builders as builders
join raw.image_builder_errors as errors
    on builders.snapshot_id = errors.snapshot_id and builders.arn = errors.arn
group by
    errors.account_id,
    errors.region,
    errors.arn,
    errors.error_code,
    errors.error_message,
    errors.error_timestamp
