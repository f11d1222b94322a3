-- What should be acted on first?

select
    severity,
    rule,
    region,
    name,
    owner,
    evidence
from findings
where
    status = 'fail'
    and severity = 'high'
order by
    rule,
    region,
    name
