-- Which roles do builders carry?

select
    -- AWS leaves the role out where there is none.
    coalesce(builders.iam_role_arn, '(none told)') as iam_role_arn,
    count(*) as builders,
    count(case when builders.state = 'RUNNING' then 1 end) as running,
    count(case when states.is_billed then 1 end) as billed
from image_builders_current as builders
left join image_builder_states as states
    on builders.state = states.state
group by coalesce(builders.iam_role_arn, '(none told)')
order by
    builders desc,
    iam_role_arn
