-- builders by state

select
    state,
    count(*) as number
from image_builders_current
group by state
order by number desc
