-- targets by last status

select
    last_status,
    count(*) as number
from coverage
group by last_status
order by number desc
