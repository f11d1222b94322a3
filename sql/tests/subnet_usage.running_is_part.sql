-- No more of the image builders that use it run than there are.

select
    account_id,
    region,
    subnet_id,
    builders,
    running
from subnet_usage
where running > builders
