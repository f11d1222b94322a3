-- The day of the last look that is folded goes on.

select
    account_id,
    region,
    look_date,
    cast(sum(looks) as integer) as looks
from (
    select *
    from folded.open_looks_by_day
    union all by name
    select *
    from since.looks_by_day
) as days
group by
    account_id,
    region,
    look_date
