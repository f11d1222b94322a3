-- Of the looks that are folded, those that told other tags than the one before.

select
    arn,
    snapshot_id,
    observed_at,
    lead(arn) over (
        partition by arn
        order by observed_at, snapshot_id
    ) is null as is_newest
from (
    select
        arn,
        snapshot_id,
        observed_at
    from folded.image_builder_tags_told
    union all
    select
        arn,
        snapshot_id,
        observed_at
    from since.image_builder_tags_told
) as told
