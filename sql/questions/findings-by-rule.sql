-- How does the estate fare against each rule?

select
    rule,
    severity,
    count(case when status = 'fail' then 1 end) as fail,
    count(case when status = 'unknown' then 1 end) as unknown,
    count(case when status = 'excepted' then 1 end) as excepted,
    count(case when status = 'pass' then 1 end) as pass
from findings
group by
    rule,
    severity
order by
    fail desc,
    rule
