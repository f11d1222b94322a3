-- Running for long
--
-- Proven: looks that are close together saw it running for as long as the rule allows. Suspected: every look saw it
-- running, but they are too far apart to prove it.

select
    findings.name,
    coalesce(findings.owner, '(nobody)') as owner,
    case findings.status
        when 'fail' then 'proven'
        when 'unknown' then 'suspected'
        else 'accepted'
    end as running,
    findings.evidence,
    spans.instance_type,
    round(spans.hours_estimate) as hours_estimate,
    findings.region,
    findings.account_id,
    findings.arn
from findings
join running_spans as spans
    on findings.arn = spans.arn and spans.is_open
where
    findings.rule = 'running_too_long'
    and (
        findings.status in ('fail', 'excepted')
        or date_diff('minute', spans.first_seen_at, spans.last_seen_at) >= findings.threshold * 60
    )
order by
    case findings.status
        when 'fail' then 0
        when 'unknown' then 1
        else 2
    end,
    hours_estimate desc,
    findings.account_id,
    findings.region,
    findings.name
