-- Which builders have been running all week, and what did that cost?

select
    spans.region,
    spans.name,
    spans.owner,
    spans.instance_type,
    floor(spans.hours_low) as hours_at_least,
    round(costs.usd_low, 2) as usd_at_least,
    round(costs.usd_high, 2) as usd_at_most
from running_spans as spans
left join (
    select
        arn,
        sum(usd_low) as usd_low,
        sum(usd_high) as usd_high
    from running_cost
    group by arn
) as costs
    on spans.arn = costs.arn
where
    spans.is_open
    and spans.hours_low >= 5 * 24
order by
    spans.region,
    spans.name
