-- The last sighting of each builder that is folded, and all since. Which complete look came next, only a later one may
-- have told.

select
    before.* exclude (is_of_tags) replace (coalesce(before.next_complete_at, next.observed_at) as next_complete_at)
from folded.open_image_builder_sightings as before
left join (
    select
        account_id,
        region,
        min(observed_at) as observed_at
    from live.look_numbers
    where is_complete
    group by
        account_id,
        region
) as next
    on before.account_id = next.account_id and before.region = next.region
where not before.is_of_tags
union all by name
select *
from since.image_builder_sightings
