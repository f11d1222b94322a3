-- What is there now, and how much of it is running?

select
    account_id,
    region,
    count(*) as builders,
    count(case when state = 'RUNNING' then 1 end) as running,
    count(case when state = 'FAILED' then 1 end) as failed,
    bool_or(is_last_look_failed) as last_look_failed
from image_builders_current
group by
    account_id,
    region
order by
    account_id,
    region
