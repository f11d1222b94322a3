-- What `image-builders snapshot` prints of the snapshot that it committed.

select
    account_id,
    account_name,
    region,
    status,
    complete,
    builders,
    pages,
    retries,
    error_message,
    later_status,
    later_error_message,
    coalesce(later_resume_token, resume_token) as resume_token
from extracts
where snapshot_id = $snapshot_id
order by
    account_id,
    region
