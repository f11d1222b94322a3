-- A price list has one price for a thing on a day.

select
    early.region,
    early.instance_type,
    early.operating_system,
    early.valid_from,
    late.valid_from as other_valid_from
from prices as early
join prices as late
    on
        early.source = late.source
        and early.region = late.region
        and early.instance_type = late.instance_type
        and early.operating_system = late.operating_system
        and early.unit = late.unit
        and coalesce(early.valid_from, date '0001-01-01') < coalesce(late.valid_from, date '0001-01-01')
where
    early.valid_to is null
    or early.valid_to > late.valid_from
