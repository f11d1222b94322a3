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
    findings.rule,
    count(*) over (partition by findings.rule) as of_rule,
    findings.arn
from findings
where findings.status = 'fail'
qualify row_number() over (partition by findings.rule order by findings.account_id, findings.region, findings.name) <= 500
order by
    case findings.severity
        when 'high' then 0
        when 'medium' then 1
        else 2
    end,
    findings.title,
    findings.rule,
    findings.account_id,
    findings.region,
    findings.name
