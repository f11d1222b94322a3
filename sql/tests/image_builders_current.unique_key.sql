-- A builder is there once.

select
    arn,
    count(*) as rows
from image_builders_current
group by arn
having count(*) > 1
