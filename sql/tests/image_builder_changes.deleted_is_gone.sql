-- A builder that was deleted last is none of image_builders_current.

select
    newest.arn,
    newest.deleted_at
from (
    select
        arn,
        max(case when change = 'deleted' then changed_at end) as deleted_at,
        max(case when change <> 'deleted' then changed_at end) as alive_at
    from image_builder_changes
    group by arn
) as newest
join image_builders_current
    on newest.arn = image_builders_current.arn
where newest.deleted_at > newest.alive_at
