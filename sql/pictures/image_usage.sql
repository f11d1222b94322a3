-- builders by image

select
    image_name,
    builders as number
from image_usage
order by number desc
limit 14
