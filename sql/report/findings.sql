-- Findings to act on
--
-- What fails a rule, the worst first. A rule that AWS tells too little for is unknown, and not listed; nor is what is
-- accepted for now.

select
    severity,
    title as finding,
    name,
    owner,
    evidence,
    region,
    account_id
from findings
where status = 'fail'
order by
    case severity
        when 'high' then 0
        when 'medium' then 1
        else 2
    end,
    title,
    account_id,
    region,
    name
