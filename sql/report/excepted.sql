-- Findings that are accepted for now
--
-- What fails a rule, or may, and an exception says why that is so and until when.

select
    title as finding,
    name,
    excepted_because as reason,
    excepted_until as until,
    severity,
    evidence,
    region,
    account_id,
    arn
from findings
where status = 'excepted'
order by
    excepted_until,
    title,
    account_id,
    region,
    name
