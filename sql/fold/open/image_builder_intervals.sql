-- The intervals before the last piece of each builder that reach into the day on which it began, and the one before them in
-- which the session began that may go on in them. What mostly is an interval's first moment is told as seconds from it,
-- what mostly is its last one as seconds from that: small numbers that are alike take little room.

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

select
    * exclude (account_id, region, name, reaches, is_start) replace (
        to_second - from_second as to_second,
        low_from - from_second as low_from,
        billed_from - from_second as billed_from,
        high_from - from_second as high_from,
        there_from - from_second as there_from,
        low_to - to_second as low_to,
        billed_to - to_second as billed_to,
        high_to - to_second as high_to,
        proven_to - to_second as proven_to,
        there_to - to_second as there_to
    )
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
