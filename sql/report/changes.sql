-- Changes of the last days
--
-- The last {days}, the newest first; each happened at some time between the two moments. States are left out: they
-- are above.

select
    changed_at,
    name,
    change,
    field,
    from_value,
    to_value,
    changed_after,
    region,
    account_id,
    arn
from image_builder_changes
where
    change <> 'first_seen'
    and field is distinct from 'state'
    and changed_at > (select max(observed_at) from looks) - to_days($days)
order by
    changed_at desc,
    account_id,
    region,
    name,
    field
