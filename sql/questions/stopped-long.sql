-- Which builders have been stopped all week?

select
    region,
    name,
    floor(hours_low / 24) as days_at_least,
    last_seen_at
from image_builder_spans
where
    condition = 'STOPPED'
    and is_open
    and hours_low >= 5 * 24
order by
    region,
    name
