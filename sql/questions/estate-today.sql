-- What is there now, how much of it is running, and how much is billed?

select
    builders.account_id,
    builders.region,
    count(*) as builders,
    count(case when builders.state = 'RUNNING' then 1 end) as running,
    count(case when states.is_billed then 1 end) as billed,
    count(case when builders.state = 'FAILED' then 1 end) as failed,
    bool_or(builders.is_last_look_failed) as last_look_failed
from image_builders_current as builders
left join image_builder_states as states
    on builders.state = states.state
group by
    builders.account_id,
    builders.region
order by
    builders.account_id,
    builders.region
