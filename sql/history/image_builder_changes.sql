-- What changed, when, from what to what. A builder is created where an earlier complete look did not see it, deleted
-- where a later one does not, recreated where AWS tells another created_time; one that no earlier look could have seen
-- is seen first. One that a complete look did not see and a later one sees with the same created_time was there all the
-- time, and AWS had left it out: that is unseen and seen_again. Lists are compared as sets, between two sightings of
-- the builder. What was not observed is no change.
--
-- Grain: one row per image builder, moment and field.
-- Key: arn, changed_at, change, field
-- Not null: changed_at, change
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   changed_at: when a look told it first
--   changed_after: when a look told otherwise last: it changed between the two; null where nobody had looked
--   change: first_seen, created, recreated, deleted, unseen, seen_again or changed
--   field: the column of image_builders that changed, or the list (subnet_ids, errors, tags and so on, one for each child
--     table); null where the builder itself came or went
--   from_value: what it was before, as text; a list's elements in order
--   to_value: what it is since, likewise

with versions as (
    select
        *,
        lag(attributes) over builder as previous_attributes,
        lag(last_seen_at) over builder as previous_seen_at
    from image_builder_versions
    window builder as (
        partition by account_id, region, arn, name
        order by valid_from
    )
),

attributes as (
    select
        versions.account_id,
        versions.region,
        versions.arn,
        versions.name,
        versions.valid_from as changed_at,
        versions.previous_seen_at as changed_after,
        attributes.field,
        versions.previous_attributes[cast(attributes.position as integer)] as from_value,
        versions.attributes[cast(attributes.position as integer)] as to_value
    from versions
    cross join image_builder_attributes as attributes
    where versions.began in ('changed', 'seen_again')
),

-- The sightings of each builder; its lists can change between two of them only if nothing between proves it gone.
sightings as (
    select
        snapshot_id,
        account_id,
        region,
        arn,
        name,
        observed_at,
        look_no,
        tags_no,
        is_refreshed,
        lag(observed_at) over builder as previous_at,
        lag(look_no) over builder as previous_no,
        lead(look_no) over builder as next_no,
        coalesce(created_time <> lag(created_time) over builder, false)
        or (
            coalesce(completes_before > lag(complete_no) over builder, false)
            and not coalesce(created_time = lag(created_time) over builder, false)
        ) as is_anew
    from image_builder_sightings
    window builder as (
        partition by account_id, region, arn, name
        order by observed_at
    )
),

-- Of the sightings, not of extracts anew: a snapshot that is committed meanwhile would be in the one and not the other.
looks_of_sightings as (
    select distinct
        snapshot_id,
        account_id,
        region,
        look_no,
        tags_no
    from sightings
),

elements_seen as (
    select
        elements.field,
        elements.arn,
        elements.element,
        case
            when elements.field = 'tags' then looks.tags_no
            else looks.look_no
        end as number
    from image_builder_elements as elements
    join looks_of_sightings as looks
        on
            elements.snapshot_id = looks.snapshot_id
            and elements.region = looks.region
            and elements.account_id = looks.account_id
    where elements.element is not null
),

-- The first and the last of each run of looks in which a builder has an element.
borders as (
    select *
    from (
        select
            field,
            arn,
            element,
            number,
            coalesce(lag(number) over run < number - 1, true) as is_start,
            coalesce(lead(number) over run > number + 1, true) as is_end
        from elements_seen
        where number is not null
        window run as (
            partition by arn, field, element
            order by number
        )
    ) as marked
    where is_start or is_end
),

runs as (
    select *
    from (
        select
            field,
            arn,
            element,
            number as first_number,
            case
                when is_end then number
                else lead(number) over (
                    partition by arn, field, element
                    order by
                        number,
                        case when is_start then 0 else 1 end
                )
            end as last_number,
            is_start
        from borders
    ) as ended
    where is_start
),

-- Tags are compared with those that were told last, however many looks without them lie between.
tag_sightings as (
    select
        account_id,
        region,
        arn,
        name,
        observed_at,
        tags_no,
        max(case when tags_no is not null then observed_at end) over earlier as previous_at,
        max(tags_no) over earlier as previous_no,
        min(tags_no) over later as next_no,
        coalesce(
            max(case when is_anew then look_no end) over upto
            > max(case when tags_no is not null then look_no end) over earlier,
            false
        ) as is_anew
    from sightings
    where arn in (
        select arn
        from runs
        where field = 'tags'
    )
    window
        upto as (
            partition by account_id, region, arn, name
            order by observed_at
            rows between unbounded preceding and current row
        ),
        earlier as (
            partition by account_id, region, arn, name
            order by observed_at
            rows between unbounded preceding and 1 preceding
        ),
        later as (
            partition by account_id, region, arn, name
            order by observed_at
            rows between 1 following and unbounded following
        )
),

list_sightings as (
    select
        account_id,
        region,
        arn,
        name,
        observed_at,
        previous_at,
        look_no as number,
        previous_no,
        next_no,
        is_anew,
        false as is_of_tags
    from sightings
    union all
    select
        account_id,
        region,
        arn,
        name,
        observed_at,
        previous_at,
        tags_no as number,
        previous_no,
        next_no,
        is_anew,
        true as is_of_tags
    from tag_sightings
    where tags_no is not null
),

-- Where a list may have changed: an element's run begins, or the one before has ended.
candidates as (
    select
        field,
        arn,
        first_number as number
    from runs
    union
    select
        runs.field,
        runs.arn,
        sightings.next_no as number
    from runs
    join list_sightings as sightings
        on
            runs.arn = sightings.arn
            and runs.last_number = sightings.number
            and (runs.field = 'tags') = sightings.is_of_tags
    where sightings.next_no is not null
    union
    -- Of one that was refreshed by a later look, numbers may not be in the order of moments.
    select
        runs.field,
        runs.arn,
        sightings.number
    from runs
    join list_sightings as sightings
        on
            runs.arn = sightings.arn
            and (runs.field = 'tags') = sightings.is_of_tags
    where
        runs.arn in (
            select arn
            from sightings
            where is_refreshed
        )
),

pairs as (
    select
        candidates.field,
        sightings.*
    from candidates
    join list_sightings as sightings
        on
            candidates.arn = sightings.arn
            and candidates.number = sightings.number
            and (candidates.field = 'tags') = sightings.is_of_tags
    where
        sightings.previous_no is not null
        and not sightings.is_anew
),

-- An element has two runs here where a look between the two sightings did not reach the builder.
elements_of_pairs as (
    select
        pairs.field,
        pairs.arn,
        pairs.number,
        runs.element,
        max(
            case
                when pairs.previous_no between runs.first_number and runs.last_number then 1
                else 0
            end
        ) as was_there,
        max(
            case
                when pairs.number between runs.first_number and runs.last_number then 1
                else 0
            end
        ) as is_there
    from pairs
    join runs
        on pairs.arn = runs.arn and pairs.field = runs.field
    where
        (runs.first_number <= pairs.number and runs.last_number >= pairs.number)
        or (runs.first_number <= pairs.previous_no and runs.last_number >= pairs.previous_no)
    group by
        pairs.field,
        pairs.arn,
        pairs.number,
        runs.element
),

sets as (
    select
        field,
        arn,
        number,
        max(case when was_there <> is_there then 1 else 0 end) as is_changed,
        nullif(
            array_to_string(list_sort(array_agg(case when was_there = 1 then element end)), ', '), ''
        ) as from_value,
        nullif(
            array_to_string(list_sort(array_agg(case when is_there = 1 then element end)), ', '), ''
        ) as to_value
    from elements_of_pairs
    group by
        field,
        arn,
        number
)

select
    account_id,
    region,
    arn,
    name,
    valid_from as changed_at,
    changed_after,
    began as change,
    cast(null as varchar) as field,
    cast(null as varchar) as from_value,
    cast(null as varchar) as to_value
from versions
where began <> 'changed'
union all
select
    account_id,
    region,
    arn,
    name,
    valid_to as changed_at,
    last_seen_at as changed_after,
    ended as change,
    cast(null as varchar) as field,
    cast(null as varchar) as from_value,
    cast(null as varchar) as to_value
from versions
where ended in ('deleted', 'unseen')
union all
select
    account_id,
    region,
    arn,
    name,
    changed_at,
    changed_after,
    'changed' as change,
    field,
    from_value,
    to_value
from attributes
where from_value is distinct from to_value
union all
select
    pairs.account_id,
    pairs.region,
    pairs.arn,
    pairs.name,
    pairs.observed_at as changed_at,
    pairs.previous_at as changed_after,
    'changed' as change,
    pairs.field,
    sets.from_value,
    sets.to_value
from sets
join pairs
    on sets.field = pairs.field and sets.arn = pairs.arn and sets.number = pairs.number
where sets.is_changed = 1
