-- The stretch that was the last one goes on: its last piece is counted here again, with what came to it since.

select
    now.* replace (
        coalesce(before.first_seen_at, now.first_seen_at) as first_seen_at,
        now.looks + coalesce(before.looks - piece.looks, 0) as looks,
        greatest(now.looks_apart, before.looks_apart) as looks_apart,
        case when before.arn is null then now.started_after else before.started_after end as started_after,
        now.seconds_low + coalesce(
            before.seconds_low - (floor(epoch(piece.last_seen_at)) - floor(epoch(piece.first_seen_at))), 0
        ) as seconds_low,
        coalesce(before.seconds_before, now.seconds_before) as seconds_before
    )
from since.image_builder_stretches as now
left join folded.open_image_builder_pieces as piece
    on now.arn = piece.arn and now.first_seen_at = piece.first_seen_at
left join folded.open_image_builder_stretches as before
    on piece.arn = before.arn
