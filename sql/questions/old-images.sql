-- Which base images are in use, and how old are they?

select
    image_name,
    image_date,
    age_days,
    builders
from image_usage
order by
    age_days desc,
    image_name
limit 8
