-- The piece that was the last one goes on, or ends: how it began is known.

select
    now.* replace (
        coalesce(before.began, now.began) as began,
        coalesce(before.is_apart, now.is_apart) as is_apart,
        coalesce(before.first_seen_at, now.first_seen_at) as first_seen_at,
        coalesce(before.first_look_no, now.first_look_no) as first_look_no,
        coalesce(before.looks - 1, 0) + now.looks as looks,
        case when before.arn is null then now.known_after else before.known_after end as known_after,
        coalesce(before.is_since_created, now.is_since_created) as is_since_created,
        coalesce(before.previous_condition, now.previous_condition) as previous_condition,
        case
            when before.arn is null then now.previous_instance_type
            else before.previous_instance_type
        end as previous_instance_type,
        case when before.arn is null then now.previous_platform else before.previous_platform end as previous_platform,
        coalesce(before.previous_known_until, now.previous_known_until) as previous_known_until
    )
from since.image_builder_pieces as now
left join folded.open_image_builder_pieces as before
    on now.arn = before.arn and now.first_seen_at = before.last_seen_at
