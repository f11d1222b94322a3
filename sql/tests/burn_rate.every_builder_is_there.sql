-- Every image builder that is there now has a row.

select builders.arn
from image_builders_current as builders
left join burn_rate as rates
    on builders.arn = rates.arn
where rates.arn is null
