-- Which builders have been running all week, and what did that cost?

select
    spans.region,
    spans.name,
    spans.owner,
    spans.instance_type,
    floor(spans.hours_low) as hours_at_least,
    round(sum(costs.usd_low), 2) as usd_at_least,
    round(sum(costs.usd_high), 2) as usd_at_most
from running_spans as spans
left join running_cost as costs
    on spans.arn = costs.arn and costs.cost_date >= cast(spans.first_seen_at as date)
where
    spans.is_open
    -- Of a week, daily looks may miss a day at both ends.
    and spans.hours_low >= 5 * 24
group by
    spans.region,
    spans.name,
    spans.owner,
    spans.instance_type,
    spans.hours_low
order by
    spans.region,
    spans.name
