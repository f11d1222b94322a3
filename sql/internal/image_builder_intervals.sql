-- The time in which image builders may have been there, cut where the looks prove something else from then on, with what
-- they prove of it and what is likely: what cost is made of. Only time since the first look that saw a target counts.
-- All moments are whole seconds since the beginning of 1970, UTC; stretches of nothing are null.
--
-- Likely is: between two looks at which it was billed, that it was billed all the time; between one at which it was
-- and one at which it was not, for half of it; between two at which it was not, never. From when it was created until
-- it was seen first it is taken to have run, for AWS starts an image builder that it has created.
--
-- Grain: one row per piece of image_builder_pieces with the time from it to the next one, and one per time before the
-- first sighting of an image builder in which it may have been there.
-- Key: arn, from_second, to_second
-- Not null: from_second, to_second, is_session_start, is_session_end, there_from, there_to
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   instance_type: the instance type with which it ran, if it did
--   platform: likewise its operating system
--   volume_gb: its root volume, in GB
--   first_seen_at: when the piece was seen first that it is of
--   is_before: whether it is the time before that
--   from_second: the interval's first moment
--   to_second: the first moment after it
--   low_from: from when on it is proven that AWS billed the instance
--   low_to: until when; the same moment, where one look alone saw it
--   is_alone: whether nothing proves that AWS billed it right before low_from or after low_to, so that it is a session
--     at least
--   billed_from: from when on it is likely that AWS billed it
--   billed_to: until when
--   high_from: from when on nothing proves that AWS did not bill it
--   high_to: until when
--   is_session_start: whether a session that looks saw begins in it, as is likely
--   is_session_end: whether such a session ends in it
--   proven_to: until when it is proven that it was there, running or not, from from_second on; null where it is not
--   there_from: from when on it is likely that it was there
--   there_to: until when

with moments as (
    select
        account_id,
        region,
        arn,
        name,
        instance_type,
        platform,
        volume_gb,
        ended,
        first_seen_at,
        began in ('first_seen', 'back', 'recreated') as is_beginning,
        is_since_created,
        condition = 'BILLED' as is_billed,
        cast(floor(epoch(first_seen_at)) as bigint) as seen_from,
        cast(floor(epoch(last_seen_at)) as bigint) as seen_to,
        cast(
            floor(
                epoch(
                    greatest(
                        coalesce(known_after, watched_since),
                        watched_since,
                        coalesce(previous_known_until, watched_since)
                    )
                )
            )
            as bigint
        ) as known_from,
        cast(floor(epoch(greatest(coalesce(known_until, watched_until), last_seen_at))) as bigint) as known_to,
        -- One that was created anew at a moment that AWS tells ended then; else it went on until it was seen next.
        coalesce(lead(first_seen_at) over builder = known_until, false) as is_seen_after,
        coalesce(lead(first_seen_at) over builder = known_until and lead(condition) over builder = 'BILLED', false)
            as is_billed_after,
        lead(began) over builder = 'changed' as is_same_after,
        lead(is_apart) over builder as is_next_apart,
        close_looks.seconds as close_seconds,
        lead(instance_type) over builder as next_instance_type,
        lead(platform) over builder as next_platform,
        coalesce(previous_condition = 'BILLED' and previous_known_until = first_seen_at, false) as is_billed_before,
        instance_type is not distinct from previous_instance_type
        and platform is not distinct from previous_platform as is_kind_before,
        began = 'changed' and not is_apart as is_close_before
    from image_builder_pieces
    cross join close_looks
    window builder as (
        partition by account_id, region, arn, name
        order by first_seen_at
    )
),

pieces as (
    select
        *,
        is_beginning and known_from < seen_from as is_known_before,
        case
            when ended is null then true
            when is_seen_after then is_next_apart
            else known_to - seen_to > close_seconds
        end as is_apart_after,
        instance_type is not distinct from next_instance_type
        and platform is not distinct from next_platform as is_kind_after,
        cast(floor(cast(known_from + seen_from as double) / 2) as bigint) as middle_before,
        cast(floor(cast(seen_to + known_to as double) / 2) as bigint) as middle_after
    from moments
),

followed as (
    select
        *,
        -- Between two looks that are close together, where only the volume was told otherwise, it is billed on.
        is_billed and is_billed_after and is_kind_after and is_same_after and not is_apart_after as is_billed_on,
        is_billed and is_billed_before and is_kind_before and is_close_before as is_billed_since
    from pieces
)

select
    account_id,
    region,
    arn,
    name,
    case when is_billed_after and not is_billed then next_instance_type else instance_type end as instance_type,
    case when is_billed_after and not is_billed then next_platform else platform end as platform,
    volume_gb,
    first_seen_at,
    false as is_before,
    seen_from as from_second,
    known_to as to_second,
    case when is_billed then seen_from end as low_from,
    case
        when is_billed_on then known_to
        when is_billed then seen_to
    end as low_to,
    is_billed and not is_billed_on and not is_billed_since as is_alone,
    case
        when is_billed then seen_from
        when is_billed_after then middle_after
    end as billed_from,
    case
        -- The time until it was billed as another kind counts as this one's.
        when ended is null and is_billed then known_to
        when is_billed_after then known_to
        when is_billed then middle_after
    end as billed_to,
    case
        when is_billed then seen_from
        when is_billed_after or is_apart_after then seen_to
    end as high_from,
    case
        when is_billed or is_billed_after or is_apart_after then known_to
    end as high_to,
    case
        when is_billed
            then case
                when is_billed_before then not is_kind_before
                else is_beginning and not is_known_before
            end
        else is_billed_after
    end as is_session_start,
    is_billed and not (is_billed_after and is_kind_after) as is_session_end,
    case when is_seen_after then known_to else seen_to end as proven_to,
    seen_from as there_from,
    case
        when is_seen_after or ended is null then known_to
        else middle_after
    end as there_to
from followed
union all
-- Since it was created, or last known not to be there.
select
    account_id,
    region,
    arn,
    name,
    instance_type,
    platform,
    volume_gb,
    first_seen_at,
    true as is_before,
    known_from as from_second,
    seen_from as to_second,
    null as low_from,
    null as low_to,
    false as is_alone,
    case
        when is_since_created then known_from
        when is_billed then middle_before
    end as billed_from,
    case
        when is_billed then seen_from
        when is_since_created then middle_before
    end as billed_to,
    known_from as high_from,
    seen_from as high_to,
    is_billed or is_since_created as is_session_start,
    is_since_created and not is_billed as is_session_end,
    case when is_since_created then seen_from end as proven_to,
    case when is_since_created then known_from else middle_before end as there_from,
    seen_from as there_to
from followed
where is_known_before
