-- What stopping would save
--
-- The three that cost most of those that have been running for longer than the rule allows, proven or suspected. A month is
-- 730 hours.

select
    burn_rate.name,
    coalesce(burn_rate.owner, '(nobody)') as owner,
    round(730 * burn_rate.usd_per_hour, 2) as usd_per_month,
    case findings.status
        when 'fail' then 'proven'
        else 'suspected'
    end as running,
    findings.evidence,
    burn_rate.instance_type,
    burn_rate.region,
    burn_rate.account_id,
    burn_rate.arn
from findings
join burn_rate
    using (arn)
join running_spans as spans
    on findings.arn = spans.arn and spans.is_open
where
    findings.rule = 'running_too_long'
    and burn_rate.usd_per_hour > 0
    and (
        findings.status = 'fail'
        or (
            findings.status = 'unknown'
            and date_diff('minute', spans.first_seen_at, spans.last_seen_at) >= findings.threshold * 60
        )
    )
order by
    usd_per_month desc,
    burn_rate.arn
limit 3
