-- Which builders has every look seen stopped all week?
-- Parameter: days number = 5: for how many days at least; of a week, daily looks may miss a day at both ends

select
    region,
    name,
    floor(date_diff('hour', first_seen_at, last_seen_at) / 24) as days_at_least,
    looks,
    looks_apart as hours_apart,
    last_seen_at
from image_builder_spans
where
    condition = 'STOPPED'
    and is_open
    and date_diff('hour', first_seen_at, last_seen_at) >= $days * 24
order by
    region,
    name
