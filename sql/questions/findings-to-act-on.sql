-- What should be acted on first?

select
    severity,
    rule,
    region,
    name,
    coalesce(owner, '(nobody)') as owner,
    evidence
from findings
where
    status = 'fail'
    and severity = 'high'
order by
    rule,
    region,
    name
