-- A builder has one row for each day and kind of instance.

select
    arn,
    cost_date,
    instance_type,
    platform,
    extra_volume_gb,
    count(*) as rows
from running_cost
group by
    arn,
    cost_date,
    instance_type,
    platform,
    extra_volume_gb
having count(*) > 1
