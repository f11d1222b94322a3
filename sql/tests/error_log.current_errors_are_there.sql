-- Every error that a builder tells now is in the log as current.

select
    errors.arn,
    errors.error_code
from image_builder_errors_current as errors
left join error_log as log
    on
        errors.arn = log.arn
        and errors.error_code is not distinct from log.error_code
        and errors.error_message is not distinct from log.error_message
        and errors.error_timestamp is not distinct from log.error_timestamp
        and log.is_current
where log.arn is null
