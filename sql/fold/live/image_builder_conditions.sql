-- The condition that was the last one goes on, likewise.

select
    now.* replace (
        coalesce(before.first_seen_at, now.first_seen_at) as first_seen_at,
        coalesce(now.proven_since, before.proven_since) as proven_since,
        case when before.arn is null then now.known_after else before.known_after end as known_after,
        now.looks + coalesce(before.looks - piece.looks, 0) as looks,
        coalesce(before.first_look_no, now.first_look_no) as first_look_no,
        greatest(now.seconds_apart, before.seconds_apart) as seconds_apart
    )
from since.image_builder_conditions as now
left join folded.open_image_builder_pieces as piece
    on now.arn = piece.arn and now.first_seen_at = piece.first_seen_at
left join folded.open_image_builder_conditions as before
    on piece.arn = before.arn
