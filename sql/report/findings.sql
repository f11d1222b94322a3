-- Findings by rule
--
-- What fails a rule, the worst rules first. What is accepted for now is not listed; a rule that AWS tells too little for is
-- unknown.

select
    findings.severity,
    findings.title as finding,
    findings.name,
    coalesce(findings.owner, '(nobody)') as owner,
    findings.evidence,
    findings.region,
    findings.account_id,
    findings.source,
    findings.arn
from findings
where findings.status = 'fail'
order by
    case findings.severity
        when 'high' then 0
        when 'medium' then 1
        else 2
    end,
    findings.title,
    findings.account_id,
    findings.region,
    findings.name
