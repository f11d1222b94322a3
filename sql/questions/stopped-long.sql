-- Which builders have been stopped all week?
-- Parameter: days number = 5: for how many days at least; of a week, daily looks may miss a day at both ends

select
    region,
    name,
    floor(hours_low / 24) as days_at_least,
    last_seen_at
from image_builder_spans
where
    condition = 'STOPPED'
    and is_open
    and hours_low >= $days * 24
order by
    region,
    name
