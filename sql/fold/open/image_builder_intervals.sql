-- The intervals before the last piece of each builder that reach into the day on which it began, and the one before them in
-- which the session began that may go on in them.

with before as (
    select
        intervals.*,
        intervals.to_second >= cast(floor(epoch(piece.first_seen_at)) as bigint) // 86400 * 86400 as reaches
    from live.image_builder_intervals as intervals
    join made.open_image_builder_pieces as piece
        on intervals.arn = piece.arn
    where
        intervals.first_seen_at < piece.first_seen_at
        or (intervals.first_seen_at = piece.first_seen_at and intervals.is_before)
),

marked as (
    select
        *,
        is_session_start and from_second <= coalesce(
            min(case when reaches then from_second end) over (partition by arn), from_second
        ) as is_start
    from before
)

select * exclude (account_id, region, name, reaches, is_start)
from marked
qualify
    reaches
    or (
        is_start
        and row_number() over (
            partition by arn, is_start
            order by from_second desc, to_second desc, first_seen_at desc
        ) = 1
    )
