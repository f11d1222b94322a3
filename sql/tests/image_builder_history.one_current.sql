-- A builder has one current version at most.

select
    arn,
    count(*) as versions
from image_builder_history
where is_current
group by arn
having count(*) > 1
