-- What would deleting builders save that every look has seen stopped for long?
-- Parameter: days number = 30: for how many days at least they have been stopped

select
    spans.region,
    spans.name,
    coalesce(spans.owner, '(nobody)') as owner,
    floor(date_diff('hour', spans.first_seen_at, spans.last_seen_at) / 24) as days_stopped,
    spans.extra_gb,
    -- An instance that is stopped costs nothing; a root volume above 200 GB does.
    round(730 * rates.volume_usd_per_hour, 2) as usd_per_month,
    not rates.is_priced as is_unpriced
from (
    select
        spans.*,
        owners.owner,
        greatest(spans.volume_gb - 200, 0) as extra_gb
    from image_builder_spans as spans
    left join image_builder_owners as owners
        on spans.arn = owners.arn
    where
        spans.condition = 'STOPPED'
        and spans.is_open
) as spans
join burn_rate as rates
    on spans.arn = rates.arn
where date_diff('hour', spans.first_seen_at, spans.last_seen_at) >= $days * 24
order by
    usd_per_month desc nulls last,
    days_stopped desc,
    spans.region,
    spans.name
