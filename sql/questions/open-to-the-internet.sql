-- Which builders reach out to the internet, by AppStream's own network?

select
    region,
    name,
    state,
    coalesce(owner, '(nobody)') as owner
from findings
join image_builders_current
    using (arn, region, name)
where
    rule = 'default_internet_access'
    and status = 'fail'
order by
    region,
    name
