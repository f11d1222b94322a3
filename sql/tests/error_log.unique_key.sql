-- An error is there once.

select
    arn,
    error_code,
    error_message,
    error_timestamp,
    count(*) as rows
from error_log
group by
    arn,
    error_code,
    error_message,
    error_timestamp
having count(*) > 1
