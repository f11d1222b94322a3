-- A subnet of a region of an account is there once, and no more of its builders run than there are.

select
    account_id,
    region,
    subnet_id,
    count(*) as rows
from subnet_usage
group by
    account_id,
    region,
    subnet_id
having count(*) > 1 or max(running - builders) > 0
