-- A builder has one finding for each rule.

select
    arn,
    rule,
    count(*) as rows
from findings
group by
    arn,
    rule
having count(*) > 1
