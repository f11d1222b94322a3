-- A finding passes, fails or is unknown, and says what it was read from.

select
    arn,
    rule,
    status,
    evidence
from findings
where
    status is null
    or status not in ('pass', 'fail', 'unknown')
    or evidence is null
