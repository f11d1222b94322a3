-- The estate today
--
-- Every image builder, as far as we could look.

select
    builders.name,
    builders.state,
    builders.region,
    builders.account_id,
    coalesce(owners.owner, '(nobody)') as owner,
    builders.instance_type,
    builders.platform,
    round(spans.hours_low, 1) as running_hours_low,
    round(spans.hours_estimate, 1) as running_hours_estimate,
    round(spans.hours_high, 1) as running_hours_high,
    builders.created_time,
    builders.observed_at,
    builders.arn
from image_builders_current as builders
left join image_builder_owners as owners
    using (arn)
left join running_spans as spans
    on builders.arn = spans.arn and spans.is_open
order by
    builders.account_id,
    builders.region,
    builders.name
