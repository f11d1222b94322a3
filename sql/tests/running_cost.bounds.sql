-- A day has 24 hours, the least is not more than what is likely, and that not more than the most.

select
    arn,
    cost_date,
    instance_type,
    platform,
    case
        when hours_low < 0 then 'hours_low is less than nothing'
        when hours_low > hours_estimate then 'hours_low is more than hours_estimate'
        when hours_estimate > hours_high then 'hours_estimate is more than hours_high'
        when hours_high > 24 then 'hours_high is more than a day'
        when hours_outside < 0 or hours_outside > hours_estimate then 'hours_outside is not a part of hours_estimate'
        when billed_hours_low > billed_hours_estimate then 'billed_hours_low is more than billed_hours_estimate'
        when billed_hours_estimate > billed_hours_high then 'billed_hours_estimate is more than billed_hours_high'
        else 'more hours ran than are billed'
    end as why,
    hours_low,
    hours_estimate,
    hours_high,
    hours_outside,
    billed_hours_low,
    billed_hours_estimate,
    billed_hours_high
from running_cost
where
    hours_low < 0
    or hours_low > hours_estimate
    or hours_estimate > hours_high
    or hours_high > 24
    or hours_outside < 0
    or hours_outside > hours_estimate
    or billed_hours_low > billed_hours_estimate
    or billed_hours_estimate > billed_hours_high
    or hours_low > billed_hours_low
    or hours_estimate > billed_hours_estimate
    or hours_high > billed_hours_high
