-- What has no known price costs nothing known, and what has one costs something known.

select
    arn,
    cost_date,
    is_priced,
    usd_low
from running_cost
where
    is_priced is distinct from (usd_low is not null)
    or is_priced is distinct from (price_source is not null)
