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
--   is_refreshed: whether a later look at some builders of the target told this row, not the look that look_no numbers

with in_place as (
    select
        image_builders.*,
        looks.look_no,
        looks.tags_no,
        looks.complete_no,
        -- One that was created since, the complete look of its window did not see.
        case
            when
                looks.is_complete
                and image_builders.observed_at > looks.observed_at
                and image_builders.created_time > looks.observed_at
                then looks.complete_no
            else looks.completes_before
        end as completes_before,
        case
            when
                looks.is_complete
                and image_builders.observed_at > looks.observed_at
                and image_builders.created_time > looks.observed_at
                then looks.observed_at
            else looks.previous_complete_at
        end as previous_complete_at,
        looks.next_complete_at,
        image_builders.observed_at > looks.observed_at as is_refreshed
    from look_numbers as looks
    join raw.image_builders
        on
            looks.snapshot_id = image_builders.snapshot_id
            and looks.region = image_builders.region
            and looks.account_id = image_builders.account_id
    where
        looks.next_complete_at is null
        or image_builders.observed_at <= looks.next_complete_at
),

-- Where windows of two lengths overlap, or a window was looked at after its end, a row may have been refreshed after the
-- next complete look: its place is after that one.
late as (
    select
        image_builders.snapshot_id,
        image_builders.account_id,
        image_builders.region,
        image_builders.arn,
        image_builders.name,
        image_builders.observed_at
    from look_numbers as looks
    join raw.image_builders
        on
            looks.snapshot_id = image_builders.snapshot_id
            and looks.region = image_builders.region
            and looks.account_id = image_builders.account_id
            and image_builders.observed_at > looks.next_complete_at
    -- So that these few rows are found before the next join: the pairs of looks at a target are many.
    group by
        image_builders.snapshot_id,
        image_builders.account_id,
        image_builders.region,
        image_builders.arn,
        image_builders.name,
        image_builders.observed_at
),

displaced as (
    select
        late.snapshot_id,
        late.account_id,
        late.region,
        late.arn,
        late.name,
        max(completes.complete_no) as complete_no,
        max(completes.observed_at) as previous_complete_at,
        case
            when count(completes.next_complete_at) = count(*) then max(completes.next_complete_at)
        end as next_complete_at
    from late
    join look_numbers as completes
        on
            late.region = completes.region
            and late.account_id = completes.account_id
            and completes.is_complete
            and completes.observed_at <= late.observed_at
    group by
        late.snapshot_id,
        late.account_id,
        late.region,
        late.arn,
        late.name
)

select *
from in_place
union all
select
    image_builders.*,
    looks.look_no,
    looks.tags_no,
    displaced.complete_no,
    displaced.complete_no as completes_before,
    displaced.previous_complete_at,
    displaced.next_complete_at,
    true as is_refreshed
from displaced
join raw.image_builders
    on
        displaced.snapshot_id = image_builders.snapshot_id
        and displaced.account_id = image_builders.account_id
        and displaced.region = image_builders.region
        and displaced.arn = image_builders.arn
        and displaced.name = image_builders.name
join look_numbers as looks
    on
        image_builders.snapshot_id = looks.snapshot_id
        and image_builders.region = looks.region
        and image_builders.account_id = looks.account_id
