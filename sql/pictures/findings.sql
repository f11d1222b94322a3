-- failing by rule

select
    rule,
    count(*) as number
from findings
where status = 'fail'
group by rule
order by number desc
