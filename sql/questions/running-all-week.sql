-- Which builders have been running all week, proven or suspected, and what did that cost?

select
    spans.region,
    spans.name,
    coalesce(spans.owner, '(nobody)') as owner,
    case
        when date_diff('hour', spans.proven_since, spans.last_seen_at) >= 5 * 24 then 'proven'
        else 'suspected'
    end as running,
    round(sum(costs.usd_estimate), 2) as usd_estimate,
    round(sum(costs.usd_high), 2) as usd_at_most,
    spans.looks,
    spans.looks_apart as hours_apart,
    round(spans.hours_estimate) as hours_estimate,
    round(sum(case when costs.is_priced then 0 else costs.hours_estimate end)) as unpriced_hours
from running_spans as spans
left join running_cost as costs
    on spans.arn = costs.arn and costs.cost_date >= cast(spans.first_seen_at at time zone 'UTC' as date)
where
    spans.is_open
    -- Of a week, daily looks may miss a day at both ends.
    and date_diff('hour', spans.first_seen_at, spans.last_seen_at) >= 5 * 24
group by
    spans.region,
    spans.name,
    spans.owner,
    spans.proven_since,
    spans.last_seen_at,
    spans.looks,
    spans.looks_apart,
    spans.hours_estimate
order by
    running,
    spans.region,
    spans.name
