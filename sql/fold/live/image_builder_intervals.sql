-- The intervals from the beginning of the last piece that is folded on, and those before that reach into its day or begin
-- the session that goes on.

select now.*
from since.image_builder_intervals as now
left join folded.open_image_builder_pieces as piece
    on now.arn = piece.arn
where
    piece.arn is null
    or now.first_seen_at > piece.first_seen_at
    or (now.first_seen_at = piece.first_seen_at and not now.is_before)
union all by name
select
    before.* replace (
        before.from_second + before.to_second as to_second,
        before.from_second + before.low_from as low_from,
        before.from_second + before.billed_from as billed_from,
        before.from_second + before.high_from as high_from,
        before.from_second + before.there_from as there_from,
        before.from_second + before.to_second + before.low_to as low_to,
        before.from_second + before.to_second + before.billed_to as billed_to,
        before.from_second + before.to_second + before.high_to as high_to,
        before.from_second + before.to_second + before.proven_to as proven_to,
        before.from_second + before.to_second + before.there_to as there_to
    ),
    last.account_id,
    last.region,
    last.name
from folded.open_image_builder_intervals as before
join folded.open_image_builder_sightings as last
    on before.arn = last.arn and not last.is_of_tags
