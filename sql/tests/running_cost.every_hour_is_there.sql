-- The days of an image builder have as many hours as its stretches, proven and likely ones; they may have more: an hour
-- in which only the volume was told otherwise, or one that it ran before it was seen stopped.

select
    spans.arn,
    spans.hours_low,
    spans.hours_estimate,
    costs.hours_low as cost_hours_low,
    costs.hours_estimate as cost_hours_estimate
from (
    select
        arn,
        sum(hours_low) as hours_low,
        sum(hours_estimate) as hours_estimate
    from running_spans
    group by arn
) as spans
left join (
    select
        arn,
        sum(hours_low) as hours_low,
        sum(hours_estimate) as hours_estimate
    from running_cost
    group by arn
) as costs
    on spans.arn = costs.arn
where
    coalesce(costs.hours_low, 0) < spans.hours_low - 0.001
    or coalesce(costs.hours_estimate, 0) < spans.hours_estimate - 0.01
