-- The least that a stretch can have lasted is not more than the most, and neither is less than nothing.

select
    arn,
    first_seen_at,
    case
        when hours_low < 0 then 'hours_low is less than nothing'
        when hours_low > hours_estimate then 'hours_low is more than hours_estimate'
        when hours_low > hours_high then 'hours_low is more than hours_high'
        when hours_estimate > hours_high then 'hours_estimate is more than hours_high'
        when started_after > first_seen_at then 'started_after is later than first_seen_at'
        when ended_before < last_seen_at then 'ended_before is earlier than last_seen_at'
        else 'proven_since is not between first_seen_at and last_seen_at'
    end as why,
    hours_low,
    hours_estimate,
    hours_high,
    started_after,
    proven_since,
    last_seen_at,
    ended_before
from image_builder_spans
where
    hours_low < 0
    or hours_low > hours_estimate
    or hours_low > hours_high
    or hours_estimate > hours_high
    or started_after > first_seen_at
    or ended_before < last_seen_at
    or proven_since < first_seen_at
    or proven_since > last_seen_at
