-- Which builders carry a role, and which?

select
    iam_role_arn,
    count(*) as builders,
    count(case when state = 'RUNNING' then 1 end) as running
from image_builders_current
where iam_role_arn is not null
group by iam_role_arn
order by
    builders desc,
    iam_role_arn
