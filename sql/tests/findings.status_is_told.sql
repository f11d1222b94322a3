-- A finding passes, fails, is unknown or excepted with a reason, and says what it was read from.

select
    arn,
    rule,
    status,
    evidence
from findings
where
    status is null
    or status not in ('pass', 'fail', 'unknown', 'excepted')
    or evidence is null
    or (status = 'excepted') is distinct from (excepted_because is not null)
