-- Which base images are in use, and how old are they?

select
    image_name,
    split_part(image_arn, ':', 4) as region,
    image_date,
    age_days,
    builders
from image_usage
order by
    age_days desc,
    image_name,
    region
