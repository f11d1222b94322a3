-- The last sighting of each builder, and what its tags are compared with where that one did not tell them: the look at
-- which they were told last, unless the builder of that name is another one since.

with marked as (
    select
        snapshot_id,
        account_id,
        region,
        arn,
        name,
        observed_at,
        created_time,
        look_no,
        tags_no,
        completes_before,
        lead(arn) over builder is null as is_last,
        coalesce(created_time <> lag(created_time) over builder, false)
        or (
            coalesce(completes_before > lag(complete_no) over builder, false)
            and not coalesce(created_time = lag(created_time) over builder, false)
        ) as is_anew
    from live.image_builder_tag_sightings
    window builder as (
        partition by arn
        order by observed_at
    )
),

told as (
    select
        account_id,
        region,
        arn,
        name,
        max(case when is_last then snapshot_id end) as snapshot_id,
        max(case when is_last then observed_at end) as observed_at,
        max(case when is_last then created_time end) as created_time,
        max(case when is_last then completes_before end) as completes_before,
        max(case when is_last then tags_no end) as last_tags_no,
        max(case when tags_no is not null then observed_at end) as told_at,
        max(tags_no) as tags_no,
        max_by(snapshot_id, tags_no) as told_by,
        max(case when tags_no is not null then look_no end) as told_look_no,
        coalesce(
            max(case when is_anew then look_no end) > max(case when tags_no is not null then look_no end), false
        ) as is_other
    from marked
    group by
        account_id,
        region,
        arn,
        name
)

select
    sightings.* replace (case when not told.is_other then sightings.tags_no end as tags_no),
    false as is_of_tags
from told
join live.image_builder_tag_sightings as sightings
    on told.arn = sightings.arn and told.snapshot_id = sightings.snapshot_id
union all by name
-- It is a sighting for the tags alone: nothing that is told of it makes the last one another builder.
select
    sightings.* replace (
        case
            when told.last_tags_no is null then told.told_at
            else told.observed_at - interval 1 microsecond
        end as observed_at,
        told.told_look_no as look_no,
        greatest(sightings.complete_no, told.completes_before) as complete_no,
        told.created_time as created_time
    ),
    true as is_of_tags
from told
join live.image_builder_tag_sightings as sightings
    on told.arn = sightings.arn and told.told_by = sightings.snapshot_id
where
    not told.is_other
    and told.tags_no > coalesce(told.last_tags_no, 0)
