-- errors by code

select
    error_code,
    count(*) as number
from error_log
group by error_code
order by number desc
limit 14
