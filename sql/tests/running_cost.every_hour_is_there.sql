-- The days of a stretch have as many hours as it, where it was looked at from its beginning.

select
    spans.arn,
    spans.hours_low,
    costs.hours_low as cost_hours_low
from (
    select
        arn,
        sum(hours_low) as hours_low
    from running_spans
    group by arn
) as spans
left join (
    select
        arn,
        sum(hours_low) as hours_low
    from running_cost
    group by arn
) as costs
    on spans.arn = costs.arn
where abs(coalesce(costs.hours_low, 0) - spans.hours_low) > 0.001
