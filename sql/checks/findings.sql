-- The findings that do not pass.

select
    rule,
    status,
    account_id,
    region,
    name,
    owner,
    evidence
from findings
where status in ('fail', 'unknown')
order by all
