-- The findings that fail.

select
    account_id,
    region,
    name,
    arn,
    owner,
    rule,
    title,
    severity,
    evidence,
    source
from findings
where status = 'fail'
order by
    account_id,
    region,
    name,
    rule
