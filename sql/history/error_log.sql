-- Every error that an image builder has ever told, once, with when it was seen.
--
-- Grain: one row per image builder, error code, message and moment of the error.
-- Key: arn, error_code, error_message, error_timestamp
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
--   is_current: whether the image builder still tells it, as far as we could look

with told as (
    select distinct
        arn,
        error_code,
        error_message,
        error_timestamp
    from image_builder_errors_current
)

select
    seen.account_id,
    seen.region,
    seen.arn,
    seen.error_code,
    seen.error_message,
    seen.error_timestamp,
    seen.first_seen_at,
    seen.last_seen_at,
    seen.snapshots,
    told.arn is not null as is_current
from errors_seen as seen
left join told
    on
        seen.arn = told.arn
        and seen.error_code is not distinct from told.error_code
        and seen.error_message is not distinct from told.error_message
        and seen.error_timestamp is not distinct from told.error_timestamp
