-- The days from that of the last piece that is folded on: those before are finished.

select now.*
from since.running_seconds as now
left join folded.open_image_builder_pieces as piece
    on now.arn = piece.arn
where
    piece.arn is null
    or now.cost_date >= cast(piece.first_seen_at at time zone 'UTC' as date)
