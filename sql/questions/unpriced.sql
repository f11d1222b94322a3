-- What ran without a known price?

select
    region,
    instance_type,
    operating_system,
    count(distinct arn) as builders,
    round(sum(hours_estimate), 1) as hours_estimate,
    round(sum(hours_high), 1) as hours_at_most
from running_cost
where not is_priced
group by
    region,
    instance_type,
    operating_system
order by
    hours_at_most desc,
    region,
    instance_type,
    operating_system
