-- The intervals from the beginning of the last piece that is folded on, and those before that reach into its day or begin
-- the session that goes on.

select now.*
from since.image_builder_intervals as now
left join folded.open_image_builder_pieces as piece
    on
        now.account_id = piece.account_id
        and now.region = piece.region
        and now.arn = piece.arn
        and now.name = piece.name
where
    piece.arn is null
    or now.from_second >= cast(floor(epoch(piece.first_seen_at)) as bigint)
union all by name
select *
from folded.open_image_builder_intervals
