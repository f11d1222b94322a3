-- What changed until each builder was seen last. That it is gone, a later look may take back.

select now.*
from live.image_builder_changes as now
join made.open_image_builder_sightings as last
    on now.arn = last.arn and not last.is_of_tags
where
    now.changed_at <= last.observed_at
    and not (now.change in ('deleted', 'unseen') and now.changed_after >= last.observed_at)
