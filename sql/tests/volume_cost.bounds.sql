-- A day has 24 hours, the least is not more than what is likely, and that not more than the most.

select
    arn,
    cost_date,
    extra_volume_gb,
    case
        when hours_low < 0 then 'hours_low is less than nothing'
        when hours_low > hours_estimate then 'hours_low is more than hours_estimate'
        when hours_estimate > hours_high then 'hours_estimate is more than hours_high'
        when hours_high > 24 then 'hours_high is more than a day'
        else 'a volume of nothing costs nothing'
    end as why,
    hours_low,
    hours_estimate,
    hours_high
from volume_cost
where
    hours_low < 0
    or hours_low > hours_estimate
    or hours_estimate > hours_high
    or hours_high > 24
    or extra_volume_gb <= 0
