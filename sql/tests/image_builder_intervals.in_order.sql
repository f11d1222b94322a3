-- Intervals of an image builder do not overlap, and what is likely of each is in it.

select
    arn,
    from_second,
    to_second,
    next_from_second
from (
    select
        *,
        lead(from_second) over (partition by arn order by from_second, to_second) as next_from_second
    from image_builder_intervals
) as intervals
where
    to_second < from_second
    or to_second > next_from_second
    or low_from < high_from
    or low_to > high_to
    or billed_from < high_from
    or billed_to > high_to
    or high_from < from_second
    or high_to > to_second
    or there_from < from_second
    or there_to > to_second
    or proven_to > there_to
