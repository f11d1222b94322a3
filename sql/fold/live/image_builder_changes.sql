-- The changes after the last sighting that is folded, and that the builder is gone since: those before are finished.

select now.*
from since.image_builder_changes as now
left join folded.open_image_builder_sightings as before
    on now.arn = before.arn and not before.is_of_tags
where
    before.arn is null
    or now.changed_at > before.observed_at
    or (now.change in ('deleted', 'unseen') and now.changed_after >= before.observed_at)
