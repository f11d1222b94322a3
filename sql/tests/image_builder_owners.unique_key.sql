-- A builder has one owner at most.

select
    arn,
    count(*) as owners
from image_builder_owners
group by arn
having count(*) > 1
