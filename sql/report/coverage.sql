-- Coverage
--
-- Every account and region, those that could not be looked at first. A gap is a window without a successful look.

select
    account_id,
    account_name,
    region,
    last_status,
    last_look_at,
    last_success_at,
    builders,
    windows,
    gaps,
    last_error_message
from coverage
where is_configured is distinct from false
order by
    last_status = 'ok',
    account_id,
    region
