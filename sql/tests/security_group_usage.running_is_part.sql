-- No more of the image builders that use it run than there are.

select
    account_id,
    region,
    security_group_id,
    builders,
    running
from security_group_usage
where running > builders
