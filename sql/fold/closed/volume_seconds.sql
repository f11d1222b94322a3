-- The days before that on which the last piece of each builder began: nothing that is seen later reaches into them.

select now.*
from live.volume_seconds as now
join made.open_image_builder_pieces as piece
    on now.arn = piece.arn
where now.cost_date < cast(piece.first_seen_at at time zone 'UTC' as date)
