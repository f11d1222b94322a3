-- A builder has one version of each number.

select
    arn,
    version,
    count(*) as rows
from image_builder_history
group by
    arn,
    version
having count(*) > 1
