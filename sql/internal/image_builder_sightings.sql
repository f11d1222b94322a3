-- Every time that an image builder was seen, with what the looks before and after could have seen: what history,
-- changes and spans are made of.
--
-- Grain: one row per image builder per snapshot.
-- Key: snapshot_id, arn
-- Columns:
--   image_builders.*: as there
--   look_no: the number of the look among the successful looks at its target
--   tags_no: its number among the looks that returned tags; null where this one did not
--   complete_no: how many complete looks there were at its target up to this one
--   completes_before: how many of them came before it; if they are more than the complete_no of the builder's earlier
--     sighting, a complete look between the two did not see it
--   previous_complete_at: when the last complete look before this one ended
--   next_complete_at: when the first complete look after this one ended

with numbered as (
    select
        snapshot_id,
        account_id,
        region,
        cast(count(*) over upto as integer) as look_no,
        case
            when tags_status = 'ok' then cast(count(case when tags_status = 'ok' then 1 end) over upto as integer)
        end as tags_no,
        cast(count(case when complete then 1 end) over upto as integer) as complete_no,
        cast(count(case when complete then 1 end) over earlier as integer) as completes_before,
        max(case when complete then observed_at end) over earlier as previous_complete_at,
        min(case when complete then observed_at end) over later as next_complete_at
    from looks
    where
        is_kept
        and status = 'ok'
    window
        upto as (
            partition by account_id, region
            order by observed_at, snapshot_id
            rows between unbounded preceding and current row
        ),
        earlier as (
            partition by account_id, region
            order by observed_at, snapshot_id
            rows between unbounded preceding and 1 preceding
        ),
        later as (
            partition by account_id, region
            order by observed_at, snapshot_id
            rows between 1 following and unbounded following
        )
)

select
    image_builders.*,
    looks.look_no,
    looks.tags_no,
    looks.complete_no,
    looks.completes_before,
    looks.previous_complete_at,
    looks.next_complete_at
from numbered as looks
join raw.image_builders
    on
        looks.snapshot_id = image_builders.snapshot_id
        and looks.region = image_builders.region
        and looks.account_id = image_builders.account_id
