-- The looks that told other tags than the one before them.

with sets as (
    select
        arn,
        snapshot_id,
        list_sort(list([tag_key, tag_value])) as tags
    from live.image_builder_tags
    group by
        arn,
        snapshot_id
),

told as (
    select
        arn,
        snapshot_id,
        observed_at,
        true as is_finished
    from folded.image_builder_tags_told
    union all
    select
        arn,
        snapshot_id,
        observed_at,
        false as is_finished
    from since.image_builder_tags_told
)

select
    arn,
    snapshot_id,
    observed_at
from (
    select
        told.*,
        lag(told.arn) over builder is null
        or sets.tags is distinct from lag(sets.tags) over builder as is_other
    from told
    left join sets
        on told.arn = sets.arn and told.snapshot_id = sets.snapshot_id
    window builder as (
        partition by told.arn
        order by told.observed_at, told.snapshot_id
    )
) as compared
where
    is_other
    and not is_finished
